"""Measures the figures of docs/benchmarks.md and prints them as one table.

    bench.py PROGRAMS FOLDER LISTEN [GROUP…]

A group is a file in figures/, which says what it measures and how. Each runs alone as well: it begins with
an empty database.
"""

import importlib
import os
import signal
import sys
import time

import table
from stack import Stack

# In this order: those that leave much in the kernel's caches come last.
GROUPS = ("memory", "sync", "list", "stream", "allocations", "events", "unchanged", "sync100k",
          "accounts", "delivery", "pop3", "archive", "search", "pages", "sieve", "rules")


def main():
    programs, folder, listen, *wanted = sys.argv[1:]
    if unknown := set(wanted) - set(GROUPS):
        print(f"no group {', '.join(unknown)}; there are: {' '.join(GROUPS)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))
    stack, figures, failures = Stack(programs, folder, listen), table.Table(), []
    loads = []
    try:
        for group in wanted or GROUPS:
            start, before = time.monotonic(), os.getloadavg()[0]
            try:
                importlib.import_module(f"figures.{group}").measure(stack, figures)
            except Exception as error:  # What a group cannot measure does not hide the others.
                failures.append(f"{group}: {type(error).__name__}: {error}")
                table.note(failures[-1])
            loads.append(f"{group} {before:.1f} to {os.getloadavg()[0]:.1f}")
            table.note(f"{group} took {time.monotonic() - start:.0f} s")
    finally:
        stack.close()
    figures.write()
    print(f"\n{os.cpu_count()} cores; load average before and after: {', '.join(loads)}")
    for failure in failures:
        print(f"FAILED: {failure}")
    return 1 if figures.missed or failures else 0


sys.exit(main())
