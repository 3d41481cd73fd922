"""How long an arrival takes to a subscriber of /v1/events.

Messages are delivered by LMTP, one after another, to several accounts in turn: Dovecot waits about half a
second before it tells of one, and again after it has told, so each account gets one in 1.6 s. A relay before Dovecot notes when its untagged answer goes to the service's
socket; beside each account a client without a service waits in IDLE on Dovecot itself.
"""

import bisect
import statistics
import time

from service import percentile
from subscriber import Listeners
from table import below, lowest, note
from tap import Tap

USERS = [f"watched{number}" for number in range(16)]
DELIVERIES, INTERVAL = 160, 0.1


def measure(stack, table):
    mail = stack.mail
    mail.add_users(USERS)
    service = stack.serve(mail)
    tap = Tap(mail.imap_port, USERS)
    time.sleep(1)  # Until Dovecot looks at its users again.
    accounts = {service.add_account(user, mail.password, tap.ports[user], None, "none"): user
                for user in USERS}
    for account in accounts:
        service.wait_synced(account)
    time.sleep(1)  # Until the watching connections wait in IDLE too.
    rounds = [measure_round(service, mail, tap, accounts) for _ in range(stack.rounds)]
    tap.close()
    fasts, slows, lates, latest, medians = zip(*rounds)
    table.add("untagged answer at our socket to event at a subscriber, p50", fasts, "ms", below(5))
    table.add("  p99", slows, "ms", below(30))
    best = lowest(latest)
    table.add("delivery by LMTP to event, later than a bare IDLE client, p50", lates, "ms", best=best,
              reference=f"delivery to bare IDLE {medians[best]:.0f} ms")
    table.add("  p95", latest, "ms", below(20), best=best)


def measure_round(service, mail, tap, accounts):
    """Milliseconds: answer to event p50 and p99, event after bare IDLE p50 and p95, delivery to bare IDLE."""
    listeners = Listeners(service, mail, accounts)
    listeners.start()
    time.sleep(0.5)
    tap.moments()
    deliveries = deliver(mail)
    time.sleep(2)
    listeners.close()
    told, bare, events = (by_user(tap.moments()), by_user(listeners.bare),
                          by_user(listeners.events))
    answers, lates, alone, untold = [], [], [], 0
    for user, start, end in deliveries:
        answer, idle, event = (first(times[user], start, end) for times in (told, bare, events))
        if answer is None or idle is None:
            untold += 1  # Dovecot itself was late, as it may be on a busy machine.
            continue
        event = event or end  # An event that is missing counts as one that late.
        answers.append((event - answer) * 1000)
        lates.append((event - idle) * 1000)
        alone.append((idle - start) * 1000)
    if untold > DELIVERIES / 10:
        raise RuntimeError(f"Dovecot did not tell of {untold} deliveries in time")
    result = (statistics.median(answers), percentile(answers, 0.99), statistics.median(lates),
              percentile(lates, 0.95), statistics.median(alone))
    note("{} deliveries: answer to event p50 {:.2f} ms, p99 {:.2f} ms; after bare IDLE p50 {:.2f} ms, "
         "p95 {:.2f} ms; delivery to bare IDLE {:.0f} ms".format(len(deliveries), *result))
    return result


def deliver(mail):
    """Delivers at fixed times; for each the user, when it began, and when the user's next one began."""
    begun = []
    with mail.delivery() as session:
        start = time.monotonic()
        for number in range(DELIVERIES):
            user = USERS[number % len(USERS)]
            time.sleep(max(0, start + number * INTERVAL - time.monotonic()))
            begun.append((user, time.monotonic()))
            session.sendmail("a@test.invalid", [f"{user}@test.invalid"],
                             f"From: <a@test.invalid>\r\nTo: <{user}@test.invalid>\r\n"
                             f"Subject: delivery {number} {start}\r\n"
                             f"Message-ID: <{number}.{start}@test.invalid>\r\n\r\nHello\r\n")
    count = len(USERS)
    return [(user, at, begun[place + count][1] if place + count < len(begun) else at + 2)
            for place, (user, at) in enumerate(begun)]


def by_user(moments):
    """The times by user."""
    times = {user: [] for user in USERS}
    for user, at in moments:
        times[user].append(at)
    return times


def first(times, start, end):
    """The first of the times, which ascend, between two moments; None where there is none."""
    place = bisect.bisect(times, start)
    return times[place] if place < len(times) and times[place] < end else None
