"""A pass over 100 mailboxes of 1,000 messages in which nothing is new.

A pass begins with the POST of :sync and ends at the service's own `lastSyncAt`, which it writes when every
mailbox was looked at. Both clocks are the machine's, so nothing is polled while the pass runs. As the service
writes that time once a minute only, the benchmark empties it in the database before each pass.
"""

import os
import shutil
import statistics
import subprocess
import time
from datetime import datetime

import processes
from firstsync import add_account
from imap import IMAP
from table import below, note

MAILBOXES, MESSAGES, PASSES = 100, 1000, 20
USER = "bob"


def measure(stack, table):
    mail = stack.large_mail
    fill(mail)
    service = stack.serve(mail)
    account = add_account(service, mail, USER, "none")
    synced = service.wait_synced(account, 300)
    total = sum(mailbox["totalMessages"] for mailbox in synced.values())
    if total < MAILBOXES * MESSAGES:
        raise RuntimeError(f"{total} messages")
    database = stack.database()
    processes.wait_until(
        lambda: int(database.run("select count(*) from message_search")) >= total,
        "the search index", 300, 0.5)
    rounds = []
    for _ in range(stack.rounds):
        raw = list_status(mail)
        passes = [measure_pass(service, account, database) for _ in range(PASSES)]
        rounds.append(statistics.median(passes))
        note(f"pass over {len(synced)} mailboxes: median {rounds[-1]:.1f} ms, {min(passes):.1f} to "
             f"{max(passes):.1f}; LIST-STATUS alone {raw:.1f} ms")
    table.add("nothing new on 100 mailboxes of 1,000, median of 20 passes", rounds, "ms", below(50),
              digits=1, reference=f"LIST-STATUS alone {raw:.1f} ms")
    if shutil.which("mbsync"):
        table.add("  mbsync on the same mailboxes", mbsync(stack, mail), "ms", digits=0)


def fill(mail):
    """Gives bob 100 mailboxes, of 1,000 of ada's messages each."""
    files = mail.messages("ada")
    for number in range(MAILBOXES):
        part = files[number * MESSAGES:(number + 1) * MESSAGES]
        mail.link(part, USER, f"Box{number:03}")
    mail.give_away(USER)


def measure_pass(service, account, database):
    """Milliseconds from the request to the end of the pass that it asked for."""
    path = f"/v1/accounts/{account}"
    database.run("update account set last_sync_at = null")
    start = time.time()
    service.json("POST", f"{path}:sync")
    last = processes.wait_until(
        lambda: service.json("GET", path)["lastSyncAt"], "a pass", 30, 0.1)
    return (datetime.fromisoformat(last).timestamp() - start) * 1000


def list_status(mail):
    """Milliseconds of the one command that tells the counters of all mailboxes; the best of ten."""
    session = IMAP(mail, USER)
    times = []
    for _ in range(10):
        start = time.monotonic()
        session.command('LIST "" "*" RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY UNSEEN '
                        'HIGHESTMODSEQ))')
        times.append((time.monotonic() - start) * 1000)
    session.close()
    return min(times)


MBSYNC = """FSync no

IMAPStore far
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs LOGIN

MaildirStore near
Path {folder}/mail/
Inbox {folder}/inbox
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns Box*
Create Near
SyncState *
"""


def mbsync(stack, mail):
    """Milliseconds of an mbsync that finds nothing new, which keeps the mail in a Maildir."""
    folder = f"{stack.folder}/mbsync"
    os.makedirs(f"{folder}/mail")
    with open(f"{folder}/mbsyncrc", "w") as file:
        file.write(MBSYNC.format(port=mail.imap_port, user=USER, password=mail.password,
                                 folder=folder))
    times = []
    for _ in range(stack.rounds + 1):
        start = time.monotonic()
        subprocess.run(["mbsync", "-q", "-c", f"{folder}/mbsyncrc", "all"], check=True,
                       capture_output=True)
        times.append((time.monotonic() - start) * 1000)
    note(f"mbsync: {times[0] / 1000:.1f} s to fetch all of it, then {min(times[1:]):.0f} ms")
    return times[1:]
