"""Mixed use of the stack that soak.sh started, for some minutes.

It fails on an answer of 5xx, on one that does not come, on a message that is lost or doubled, on a
submission that does not arrive, and where memory or descriptors grow. At the end it prints the curve of
memory, a line a minute.
"""

import collections
import http.client
import json
import os
import random
import statistics
import sys
import threading
import time

from memorycurve import MemoryCurve
from service import Service, percentile

MINUTES = float(sys.argv[1])
WORKERS = 4
# The longest pause of a worker between two steps, in seconds.
PAUSE = float(os.environ.get("SOAK_PAUSE", "0.02"))
USERS = ("ada", "bob", "carol")
failures = []
counts = collections.Counter()
latencies = collections.defaultdict(list)
lock = threading.Lock()
stopping = threading.Event()
submitted = []


def fail(text):
    with lock:
        failures.append(text)
        print(f"FAILED: {text}", file=sys.stderr, flush=True)


class Worker(threading.Thread):
    """One client with a connection of its own, doing one thing after another."""

    def __init__(self, number, accounts):
        super().__init__(daemon=True)
        self.number = number
        self.accounts = accounts
        self.random = random.Random(number)
        self.service = Service(os.environ["R"], os.environ["T"], int(os.environ["SERVICE_PID"]))

    def call(self, action, method, path, body=None, headers=None):
        """The status and body of one answer; what it must not be is a failure."""
        start = time.monotonic()
        status, _, data = self.service.call(method, path, body, headers, timeout=30)
        with lock:
            counts[f"{action} {status}"] += 1
            if len(latencies[action]) < 50_000:
                latencies[action].append(time.monotonic() - start)
        # Another worker may have moved or deleted the message, or its UID is not told yet.
        if status >= 500 or status in (400, 401, 403, 422):
            fail(f"{action}: {method} {path}: {status} {data[:300]!r}")
        return status, data

    def run(self):
        while not stopping.is_set():
            try:
                self.step()
            except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                fail(f"worker {self.number}: {type(error).__name__}: {error}")
                time.sleep(1)

    def step(self):
        account, inbox, archive = self.accounts[self.random.choice(USERS)]
        base = f"/v1/accounts/{account}"
        box = self.random.choice((inbox, inbox, archive))
        status, data = self.call("list", "GET", f"{base}/messages?mailbox={box}&limit=50")
        items = json.loads(data)["items"] if status == 200 else []
        if not items:
            return
        item = self.random.choice(items)
        message = f"{base}/messages/{item['id']}"
        self.call("get", "GET", f"{message}?include=body,headers")
        roll = self.random.random()
        if roll < 0.25:
            flag = "$flagged" not in item["keywords"]
            self.call("flag", "PATCH", message, {"keywords": {"$flagged": flag or None}})
        elif roll < 0.40:
            other = archive if box == inbox else inbox
            self.call("move", "PATCH", message, {"mailboxIds": {other: True}})
        elif roll < 0.60:
            self.call("raw", "GET", f"{message}/raw")
        elif roll < 0.80 and item["attachments"]:
            part = self.random.choice(item["attachments"])["partId"]
            self.call("part", "GET", f"{message}/parts/{part}")
        elif roll < 0.88:
            self.import_and_delete(base, inbox)
        elif roll < 0.91:
            self.submit(base)
        else:
            self.call("mailboxes", "GET", f"{base}/mailboxes")
        time.sleep(self.random.uniform(0, PAUSE))

    def import_and_delete(self, base, inbox):
        raw = (f"From: <a@test.invalid>\r\nTo: <b@test.invalid>\r\nSubject: import "
               f"{self.number}-{self.random.random()}\r\n\r\n" + "a line\r\n" * 200).encode()
        status, data = self.call("import", "POST", f"{base}/messages?mailbox={inbox}", raw,
                                 {"Content-Type": "message/rfc822"})
        if status == 201:
            path = f"{base}/messages/{json.loads(data)['id']}"
            self.call("get", "GET", path)
            self.call("delete", "DELETE", f"{path}?permanent=true")

    def submit(self, base):
        with lock:
            subject = f"soak {len(submitted)}"
            submitted.append(subject)
        self.call("submit", "POST", f"{base}/submissions", {
            "to": [{"email": "carol@test.invalid"}], "subject": subject, "text": "It goes on."})


def counted(service, accounts):
    """How many messages each account has, in the lists and by its mailboxes' counters."""
    result = {}
    for user, (account, _, _) in accounts.items():
        boxes = service.mailboxes(account)
        total = sum(box["totalMessages"] for box in boxes.values())
        listed = service.json("GET", f"/v1/accounts/{account}/messages?limit=1&total=true")["total"]
        result[user] = (total, listed)
    return result


def settle(service, accounts, limit=90):
    """Waits until no operation is under way and every submission was sent."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        left = 0
        for account, _, _ in accounts.values():
            left += len(service.json("GET", f"/v1/accounts/{account}/operations")["items"])
            sent = service.json("GET", f"/v1/accounts/{account}/submissions?limit=500")["items"]
            left += sum(1 for one in sent if one["state"] not in ("sent", "failed", "cancelled"))
        if not left:
            return True
        time.sleep(0.5)
    fail("operations or submissions were still under way at the end")
    return False


def arrivals(service, account):
    """How often each subject of a submission is in a mailbox, page by page."""
    found, cursor = collections.Counter(), ""
    while True:
        page = service.json(
            "GET", f"/v1/accounts/{account}/messages?limit=500&fields=subject,from{cursor}")
        for item in page["items"]:
            if (item["subject"] or "").startswith("soak "):
                found[item["subject"], item["from"][0]["email"]] += 1
        if not page["next"]:
            return found
        cursor = f"&cursor={page['next']}"


def main():
    service = Service(os.environ["R"], os.environ["T"], int(os.environ["SERVICE_PID"]))
    imaps, smtps = int(os.environ["IMAPS_PORT"]), int(os.environ["SMTPS_PORT"])
    accounts = {}
    for user in USERS:
        account = service.add_account(user, os.environ["PASSWORD"], imaps, smtps)
        boxes = service.wait_synced(account)
        accounts[user] = (account, boxes["inbox"]["id"], boxes["archive"]["id"])
    workers = [Worker(number, accounts) for number in range(WORKERS)]
    start = time.monotonic()
    for worker in workers:
        worker.start()
    samples, curve = [], MemoryCurve()
    total = MINUTES * 60
    interval = min(60, total / 12)
    while (elapsed := time.monotonic() - start) < total:
        time.sleep(min(interval, total - elapsed))
        elapsed, done = time.monotonic() - start, sum(counts.values())
        samples.append((service.rss(), service.descriptors()))
        curve.add(elapsed, done, samples[-1][0])
        print(f"{elapsed:6.0f} s  {done:8} requests  {samples[-1][0] / 1e6:6.1f} MB  "
              f"{samples[-1][1]:3} descriptors  {len(failures)} failures", flush=True)
    stopping.set()
    for worker in workers:
        worker.join(60)
        if worker.is_alive():
            fail(f"worker {worker.number} is stuck in a request")
    check_end(service, accounts, samples)
    curve.write()
    print(f"\n{'action':10} {'requests':>9} {'median ms':>10} {'p99 ms':>8}")
    for action, values in sorted(latencies.items()):
        print(f"{action:10} {len(values):9} {statistics.median(values) * 1000:10.1f} "
              f"{percentile(values, 0.99) * 1000:8.1f}")
    print("statuses:", ", ".join(f"{key}: {value}" for key, value in sorted(counts.items())))
    print("FAILED" if failures else "passed", f"with {len(failures)} failures")
    return 1 if failures else 0


def check_end(service, accounts, samples):
    """What must be true when the load is over."""
    if settle(service, accounts):
        time.sleep(5)
        for user, (total, listed) in counted(service, accounts).items():
            if total < listed:
                fail(f"{user}: the mailboxes count {total} messages, the list {listed}")
        found = arrivals(service, accounts["carol"][0])
        senders = collections.Counter(subject for subject, _ in found)
        lost = [subject for subject in submitted if senders[subject] == 0]
        if lost:
            fail(f"{len(lost)} of {len(submitted)} submissions did not arrive: {lost[:3]}")
        print(f"{len(submitted)} submissions, {len(submitted) - len(lost)} arrived")
    for user, (account, _, _) in accounts.items():
        state = service.json("GET", f"/v1/accounts/{account}")["state"]
        if state != "ready":
            fail(f"{user}: the account is {state}")
    # The first sixth is warm-up: pools and caches fill.
    kept = samples[len(samples) // 6:]
    third = max(1, len(kept) // 3)
    for name, index, slack in (("memory", 0, 4e6), ("descriptors", 1, 8)):
        first = statistics.median(sample[index] for sample in kept[:third])
        last = statistics.median(sample[index] for sample in kept[-third:])
        print(f"{name}: {first:.0f} in the first third after warm-up, {last:.0f} in the last")
        if last > first * 1.2 and last - first > slack:
            fail(f"{name} grew from {first:.0f} to {last:.0f}")


sys.exit(main())
