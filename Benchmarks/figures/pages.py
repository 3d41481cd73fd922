"""What a page of a list costs on 1,000 and on 1,000,000 messages: the same statement, the same columns.

Each round asks for both, one after the other, over one connection, so that the time is one of a request
without a queue; the CPU is that of the service and of its PostgreSQL together.
"""

from firstsync import synced_inbox
from seeds import seed
from table import at_most, lowest, note
from wrk import wrk

SIZES = (1000, 1_000_000)


def measure(stack, table):
    service = stack.serve(stack.mail)
    synced_inbox(service, stack.mail)
    database = stack.database()
    paths = [seed(service, database, f"seeded{size}", size)[1] for size in SIZES]
    for name, suffix in (("first page", ""), ("page in the middle", "&before={}")):
        # The copies are a minute apart: half of the smaller one, and of the larger one.
        middles = ("2020-01-01T08:20:00Z", "2020-12-13T05:20:00Z")
        asked = [path + suffix.format(middle) for path, middle in zip(paths, middles)]
        add(name, [measure_round(service, database, name, asked) for _ in range(stack.rounds)], table)


def add(name, rounds, table):
    smalls, larges = zip(*rounds)
    times = [large[0] / small[0] for small, large in rounds]
    costs = [large[1] / small[1] for small, large in rounds]
    best = lowest(times)
    table.add(f"{name} of 1,000,000 messages, median", [large[0] for large in larges], "ms",
              best=best, reference=f"of 1,000 {smalls[best][0]:.2f} ms", digits=3)
    table.add("  times that of 1,000", times, goal=at_most(1.3), best=best)
    best = lowest(costs)
    table.add("  CPU of service and PostgreSQL", [large[1] for large in larges], "ms", best=best,
              reference=f"of 1,000 {smalls[best][1]:.2f} ms", digits=3)
    table.add("  times that of 1,000", costs, goal=at_most(1.3), best=best)


def measure_round(service, database, name, paths):
    """For each path the median and the CPU of a request, in ms."""
    found = []
    for path in paths:
        if service.call("GET", path)[2].count(b'"threadId"') != 50:
            raise RuntimeError(f"{path} is no page of 50")
        before, database_before = service.cpu(), database.cpu()
        _, median, _, requests = wrk(service, path, connections=1, seconds=3)
        used = service.cpu() - before + database.cpu_since(database_before)
        found.append((median, used / requests * 1000))
    (small, small_cost), (large, large_cost) = found
    note(f"{name}: {small:.2f} ms and {small_cost:.2f} ms CPU of 1,000, {large:.2f} ms and "
         f"{large_cost:.2f} ms CPU of 1,000,000")
    return found
