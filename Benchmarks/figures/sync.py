"""The first sync of 10,000 messages, over TLS and in clear text, each against a drain of the same kind."""

import time

from firstsync import first_sync
from imap import SYNC_FETCH, IMAP, drain
from stack import MESSAGES
from table import at_most, below, lowest, note


def measure(stack, table):
    service, mail = stack.serve(stack.mail), stack.mail
    session = IMAP(mail, "ada")
    for mailbox in ("Archive", "INBOX"):
        session.command(f"SELECT {mailbox}")
        session.command(SYNC_FETCH)
    session.close()
    firsts, memory = [], []
    for is_tls in (True, False):
        rounds = [measure_round(service, mail, is_tls, memory) for _ in range(stack.rounds)]
        drains, clear, pages, times, costs = zip(*rounds)
        firsts += pages
        name = "over TLS" if is_tls else "in clear text"
        ratios = [time / drain for time, drain in zip(times, drains)]
        best = lowest(ratios)
        table.add(f"first sync of 10,000 {name}", times, "s", best=best,
                  reference=f"drain {name} {drains[best]:.3f} s")
        table.add("  times the raw drain of the same kind", ratios, goal=at_most(4), best=best)
        if is_tls:
            table.add("  times the drain in clear text",
                      [time / drain for time, drain in zip(times, clear)])
        table.add("  service CPU", costs, "s")
    table.add("first page after POST", firsts, "s", at_most(0.3), digits=3)
    table.add("memory after the first account's sync", memory, "MB", below(40), digits=1)


def measure_round(service, mail, is_tls, memory):
    """Seconds: drain of this kind, drain in clear text, first page, whole sync, CPU."""
    kinds = (False, True) if is_tls else (False,)
    drains = {kind: [drain(mail, "ada", kind)[0] for _ in range(2)] for kind in kinds}
    account, first, total, cpu = first_sync(
        service, mail, MESSAGES, "implicit" if is_tls else "none")
    service.wait_synced(account)
    # Before and after, so that a busy moment of the machine makes no drain look slow.
    for kind in kinds:
        drains[kind] += [drain(mail, "ada", kind)[0] for _ in range(2)]
    raw, clear = min(drains[is_tls]), min(drains[False])
    note(f"sync {'over TLS' if is_tls else 'in clear text'}: drain {raw:.3f} s, first page "
         f"{first:.3f} s, all {total:.3f} s, {cpu:.2f} s CPU")
    if not memory:
        time.sleep(2)
        memory.append(service.rss() / 1e6)
    service.remove(account)
    time.sleep(1)
    return raw, clear, first, total, cpu
