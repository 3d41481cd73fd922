"""Names and subjects for searches: some of them everywhere, most of them almost nowhere, as in mail."""

import collections
import random

# Made of enough different syllables that three letters of a word say as little and as much as those of real ones.
ONSETS = "b bl br c ch d dr f fl fr g gr h j k kl l m n p ph pr qu r s sch sh sl st t th tr v w y z".split()
VOWELS = "a a e e i i o o u ai ea ee ie oo ou au y".split()
CODAS = ["", "", "", "ck", "ff", "l", "ld", "m", "n", "nd", "ng", "r", "rt", "s", "st", "t", "x"]
SUFFIXES = "com com org net de fr co.uk io example".split()
WORDS, PEOPLE = 20_000, 5000


class Vocabulary:
    """The same on every machine."""

    def __init__(self):
        self.random = random.Random(2026)
        words = set()
        while len(words) < WORDS:
            words.add("".join(self._syllable() for _ in range(self.random.randint(2, 3))))
        self.words = sorted(words)
        self.random.shuffle(self.words)
        self.people = [self._person() for _ in range(PEOPLE)]
        self.uses, self.count = collections.Counter(), 0

    def _syllable(self):
        return "".join(self.random.choice(part) for part in (ONSETS, VOWELS, CODAS))

    def _person(self):
        first, last = (self.random.choice(self.words).capitalize() for _ in range(2))
        domain = self.random.choice(self.words[:500])
        suffix = self.random.choice(SUFFIXES)
        return f"{first} {last}", f"{first}.{last}@{domain}.{suffix}".lower()

    def _pick(self, values):
        """One of them, the first ones by far the most often."""
        return values[int(len(values) * self.random.random() ** 3)]

    def messages(self, count):
        """The number, name, address and subject of each of so many messages."""
        self.count = count
        for number in range(count):
            name, email = self._pick(self.people)
            words = [self._pick(self.words) for _ in range(6)]
            self.uses.update(set(words))
            yield number, name, email, " ".join(words)

    def common(self):
        """Words of at least one in a hundred messages, the most frequent first; after `messages`."""
        return [word for word, uses in self.uses.most_common() if uses >= self.count / 100]

    def rare(self):
        """Words of 1 to 25 messages; after `messages`."""
        return [word for word, uses in self.uses.items() if uses <= 25]
