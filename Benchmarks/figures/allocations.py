"""Allocations of the service a request, counted by a library that is preloaded into it.

A counter in the way of each allocation slows everything, so it runs in a start of its own.
"""

import struct
import time

from firstsync import synced_inbox

REQUESTS = 500


def measure(stack, table):
    file = f"{stack.folder}/allocations"
    service = stack.serve(stack.mail, prefix=(
        "env", f"LD_PRELOAD={stack.programs}/libAllocationCounter.so",
        f"RESTANTE_ALLOCATIONS={file}"))
    _, path = synced_inbox(service, stack.mail)
    # What the service does by itself meanwhile (IDLE, polls) is in the figures; it is little.
    time.sleep(5)
    for name, path in (("list of 50", path), ("list of 500", path.replace("=50", "=500")),
                       ("healthz", "/healthz")):
        for _ in range(50):
            service.call("GET", path)
        before = count(file)
        for _ in range(REQUESTS):
            service.call("GET", path)
        table.add(f"allocations a request, {name}", [(count(file) - before) / REQUESTS], digits=0)


def count(path):
    with open(path, "rb") as file:
        return struct.unpack("Q", file.read(8))[0]
