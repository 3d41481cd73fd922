"""Names and subjects for searches: some of them everywhere, most of them almost nowhere, as in mail."""

import collections
import random

SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
WORDS, PEOPLE = 20_000, 5000


class Vocabulary:
    """The same on every machine."""

    def __init__(self):
        self.random = random.Random(2026)
        words = set()
        while len(words) < WORDS:
            words.add("".join(self.random.choices(SYLLABLES, k=self.random.randint(2, 5))))
        self.words = sorted(words)
        self.random.shuffle(self.words)
        self.people = [self._person() for _ in range(PEOPLE)]
        self.uses, self.count = collections.Counter(), 0

    def _person(self):
        first, last = (self.random.choice(self.words).capitalize() for _ in range(2))
        domain = self.random.choice(self.words[:500])
        return f"{first} {last}", f"{first}.{last}@{domain}.example".lower()

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
