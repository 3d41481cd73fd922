"""Allocations of the service a request, counted by the library that bench.sh preloaded into it."""

import os
import struct
import sys
import time

from service import Service

REQUESTS = 500


def count(path):
    with open(path, "rb") as file:
        return struct.unpack("Q", file.read(8))[0]


def main():
    service = Service(os.environ["R"], os.environ["T"], int(os.environ["SERVICE_PID"]))
    account = service.json("GET", "/v1/accounts")["items"][0]["id"]
    inbox = service.wait_synced(account)["inbox"]["id"]
    time.sleep(5)
    # What the service does by itself meanwhile (IDLE, polls) is in the figures; it is little.
    for name, path in (
        ("list of 50", f"/v1/accounts/{account}/messages?mailbox={inbox}&limit=50"),
        ("list of 500", f"/v1/accounts/{account}/messages?mailbox={inbox}&limit=500"),
        ("healthz", "/healthz"),
    ):
        for _ in range(50):
            service.call("GET", path)
        before = count(sys.argv[1])
        for _ in range(REQUESTS):
            service.call("GET", path)
        print(f"allocations a request, {name}: {(count(sys.argv[1]) - before) / REQUESTS:.0f}")


main()
