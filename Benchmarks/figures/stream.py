"""An attachment of 50 MB read at 20 MB/s: the memory it takes, and what it does to the list."""

import subprocess
import time

from firstsync import synced_inbox
from service import Service, percentile
from stack import ATTACHMENT
from table import at_most, below, lowest, note


def measure(stack, table):
    service = stack.serve(stack.mail)
    account, path = synced_inbox(service, stack.mail)
    found = service.json("GET", f"/v1/accounts/{account}/messages?larger=40000000")["items"][0]
    part = found["attachments"][0]["partId"]
    url = f"{service.base}/v1/accounts/{account}/messages/{found['id']}/parts/{part}"
    # One of full speed first: what runs once (the connection to the IMAP server) is not counted.
    speed = ATTACHMENT / finish(read(service, url)) / 1e6
    paced(service, path, 1)
    rounds = [measure_round(service, path, url) for _ in range(max(stack.rounds, 5))]
    extra, idle, loaded = zip(*rounds)
    ratios = [busy / quiet for quiet, busy in zip(idle, loaded)]
    best = lowest(ratios)
    table.add("extra memory while 50 MB stream at 20 MB/s", extra, "MB", below(4))
    table.add("p99 of the list meanwhile (200/s)", loaded, "ms", best=best,
              reference=f"idle {idle[best]:.2f} ms")
    table.add("  times its idle value", ratios, goal=at_most(2), best=best)
    table.add("the same attachment at full speed", [speed], "MB/s", digits=0)


def measure_round(service, path, url):
    """Extra memory in MB, and the p99 of the list in ms, idle and while the attachment is read."""
    quiet = percentile(paced(service, path, 2.4), 0.99)
    time.sleep(0.5)
    service.reset_peak()
    before = service.rss()
    reader = read(service, url, "--limit-rate", "20M")
    busy = percentile(paced(service, path, 2.2), 0.99)
    seconds = finish(reader)
    extra = (service.peak() - before) / 1e6
    note(f"stream: {seconds:.1f} s, extra memory {extra:.2f} MB, p99 of the list {quiet:.2f} ms "
         f"idle, {busy:.2f} ms while streaming")
    return extra, quiet, busy


def read(service, url, *options):
    """A curl that reads the attachment."""
    return subprocess.Popen(
        ["curl", "-sf", "-o", "/dev/null", "-w", "%{size_download} %{time_total}",
         "-H", f"Authorization: Bearer {service.token}", *options, url],
        stdout=subprocess.PIPE, text=True)


def finish(reader):
    """Waits for the curl; the seconds that it took."""
    size, seconds = reader.communicate()[0].split()
    if int(size) != ATTACHMENT:
        raise RuntimeError(f"the attachment came with {size} bytes")
    return float(seconds)


def paced(service, path, seconds, rate=200):
    """Latencies of requests that begin at fixed times, in ms: a late answer delays none of them."""
    client = Service(service.base, service.token, service.pid)
    latencies, start = [], time.monotonic()
    for number in range(int(seconds * rate)):
        due = start + number / rate
        time.sleep(max(0, due - time.monotonic()))
        status, _, _ = client.call("GET", path)
        if status != 200:
            raise RuntimeError(f"the list answered {status}")
        latencies.append((time.monotonic() - due) * 1000)
    return latencies
