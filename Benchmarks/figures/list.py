"""The list of 50 out of 10,000 messages, against pgbench with the list's own statements."""

from firstsync import synced_inbox
from table import at_least, at_most, highest, note
from wrk import wrk


def measure(stack, table):
    service = stack.serve(stack.mail)
    _, path = synced_inbox(service, stack.mail)
    database = stack.database()
    database.run("vacuum analyze")
    status, _, body = service.call("GET", path)
    if status != 200 or body.count(b'"threadId"') != 50:
        raise RuntimeError(f"the list is not 50 messages: {status}")
    wrk(service, path, seconds=2)
    page, both = captured(database, service, path)
    rounds = [measure_round(service, database, path, page, both) for _ in range(stack.rounds)]
    rates, references, doubles, costs = zip(*rounds)
    ratios = [rate / reference for rate, reference in zip(rates, references)]
    best = highest(ratios)
    table.add("list of 50 out of 10,000", rates, "requests/s", best=best, digits=0,
              reference=f"pgbench {references[best]:.0f}/s")
    table.add("  of what pgbench reaches with its SQL", ratios, goal=at_least(0.35), best=best)
    shares = [rate / double for rate, double in zip(rates, doubles)]
    table.add("  of pgbench with both its statements", shares, best=highest(shares))
    table.add("  service CPU a request", costs, "ms", at_most(0.4), digits=3)
    table.add("  size of an answer", [len(body)], "bytes", digits=0)


def captured(database, service, path):
    """What the service asks PostgreSQL for one request: the page alone, and with the feed's state."""
    statements = database.capture(lambda: service.call("GET", path))
    page = [entry for entry in statements if "from placement p join message m" in entry[0]][:1]
    state = [entry for entry in statements if "feed_epoch" in entry[0]][:1]
    if not page:
        raise RuntimeError(f"the list's statement was not in the log: {statements}")
    return page, state + page


def measure_round(service, database, path, page, both):
    """Requests a second, pgbench with one statement, with both, and the service's CPU ms a request."""
    reference = database.pgbench(page)
    before = service.cpu()
    rate, _, p99, requests = wrk(service, path)
    cost = (service.cpu() - before) / requests * 1000
    double = database.pgbench(both, is_pipelined=True)
    note(f"list {rate:.0f}/s, p99 {p99:.1f} ms, {cost:.3f} ms CPU; pgbench {reference:.0f}/s, "
         f"with the feed's state in a pipeline {double:.0f}/s")
    return rate, reference, double, cost
