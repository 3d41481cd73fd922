"""Searches in 200,000 messages: senders, and words of subjects, rare ones and common ones.

The messages are seeded by SQL (seeds.py); the service's own indexer makes them searchable. Each round asks
for the first page of each of 100 searches, over one connection; the caches are warm from the second round on.
"""

import random
import time
import urllib.parse

from database import wait_indexed
from firstsync import synced_inbox
from seeds import seed
from service import percentile
from table import below, note
from vocabulary import Vocabulary

MESSAGES, SEARCHES = 200_000, 100


def measure(stack, table):
    service = stack.serve(stack.mail)
    synced_inbox(service, stack.mail)
    database = stack.database()
    vocabulary = Vocabulary()
    account, _ = seed(service, database, "seeded", MESSAGES, vocabulary.messages(MESSAGES))
    start = time.monotonic()
    wait_indexed(database, MESSAGES, 400)
    note(f"200,000 messages were searchable {time.monotonic() - start:.0f} s after they were told")
    database.run("vacuum analyze")
    choice = random.Random(7)
    rare, common = vocabulary.rare(), vocabulary.common()
    for name, limit, searches in (
        ("from:, part of a name or address", 20, senders(vocabulary, choice)),
        ("a rare word (1 to 25 messages)", 50, choice.sample(rare, SEARCHES)),
        ("a common word (1 to 20 % of messages)", 50, choice.choices(common, k=SEARCHES)),
        ("two common words", 50, [" ".join(choice.sample(common, 2)) for _ in range(SEARCHES)]),
    ):
        rounds = [measure_round(service, account, name, searches) for _ in range(stack.rounds)]
        medians, slow = zip(*rounds)
        table.add(f"search in 200,000: {name}, p50", medians, "ms")
        table.add("  p95", slow, "ms", below(limit))


def senders(vocabulary, choice):
    """Searches for people from everywhere in the order of how often they write: three forms in turn."""
    people = [vocabulary.people[place * len(vocabulary.people) // SEARCHES]
              for place in range(SEARCHES)]
    forms = (lambda name, email: email, lambda name, email: name.split()[1],
             lambda name, email: email[2:-3])
    texts = [forms[place % 3](*person) for place, person in enumerate(people)]
    choice.shuffle(texts)
    return [f"from:{text}" for text in texts]


def measure_round(service, account, name, searches):
    """Milliseconds: p50 and p95 of the searches."""
    times, empty = [], 0
    for text in searches:
        path = f"/v1/accounts/{account}/messages?limit=50&q={urllib.parse.quote(text)}"
        start = time.monotonic()
        status, _, body = service.call("GET", path)
        times.append((time.monotonic() - start) * 1000)
        if status != 200:
            raise RuntimeError(f"{text}: {status} {body[:300]!r}")
        empty += b'"threadId"' not in body
    result = percentile(times, 0.5), percentile(times, 0.95)
    note(f"{name}: p50 {result[0]:.1f} ms, p95 {result[1]:.1f} ms, at most {max(times):.0f} ms; "
         f"{empty} of {len(searches)} found nothing")
    return result
