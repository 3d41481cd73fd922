"""1,000 accounts that wait in IDLE over TLS: their memory, and a restart of the service among them.

Whether an account is watched is what Dovecot says of its own sessions: its processes carry the user and the
command under way in their titles.
"""

import glob
import re
import time

import processes
from firstsync import add_account
from table import below, note

ACCOUNTS, MESSAGES = 1000, 10
USERS = [f"idle{number}" for number in range(ACCOUNTS)]
# A process for each session, of which there may be two an account, and its state in its title.
DOVECOT = """
verbose_proctitle = yes
service imap {
  process_limit = 8192
}
"""


def measure(stack, table):
    mail = stack.mail
    fill(mail)
    service = stack.serve(mail)
    time.sleep(2)
    bare = service.rss()
    start = time.monotonic()
    accounts = [add_account(service, mail, user) for user in USERS]
    wait_watched(mail, 300)
    note(f"{ACCOUNTS} accounts were added, synced and watched in {time.monotonic() - start:.1f} s")
    before = settled(service)
    path = f"/v1/accounts/{accounts[-1]}/messages?mailbox=inbox&limit=50"
    rounds = [measure_restart(stack, mail, path) for _ in range(stack.rounds)]
    stops, answers, watched, resident = zip(*rounds)
    table.add("1,000 accounts idle over TLS, memory each after their first syncs",
              [(before - bare) / ACCOUNTS / 1024], "KB", below(60))
    table.add("  after a restart", [(rss - bare) / ACCOUNTS / 1024 for rss in resident], "KB",
              below(60))
    table.add("  restart: from the start of the process to the first list", answers, "s", below(0.5))
    table.add("  restart: all 1,000 watched again", watched, "s", below(60), digits=1)
    table.add("  how long the stop before it took", stops, "s")


def fill(mail):
    """Adds the users, each with ten of ada's messages in a mailbox of its own."""
    mail.reconfigure(DOVECOT)
    files = mail.messages("ada")
    for number, user in enumerate(USERS):
        mail.link(files[number * MESSAGES:(number + 1) * MESSAGES], user)
        mail.give_away(user)
    mail.add_users(USERS)


def measure_restart(stack, mail, path):
    """Seconds of the stop, to the first list, until all are watched; bytes resident then."""
    stop = stack.stop_service()
    processes.wait_until(lambda: not watched_users(mail), "the end of all sessions")
    start = time.monotonic()
    service = stack.start_service()
    ready = time.monotonic() - start
    refused = 0
    while (reply := service.call("GET", path))[0] != 200:
        refused += 1  # An answer of 503 is none.
        time.sleep(0.05)
    answer = time.monotonic() - start
    if reply[2].count(b'"threadId"') != MESSAGES:
        raise RuntimeError("the list after a restart is not what was synced")
    wait_watched(mail, 180)
    again = time.monotonic() - start
    note(f"restart: stopped in {stop:.2f} s, ready {ready:.2f} s, first list {answer:.2f} s after "
         f"{refused} refusals, all watched {again:.1f} s")
    return stop, answer, again, settled(service)


def wait_watched(mail, limit):
    """Waits until every account has a session in IDLE."""
    processes.wait_until(lambda: len(watched_users(mail)) == ACCOUNTS, "all accounts watched",
                         limit, 0.5)


def watched_users(mail):
    """The users with a session in IDLE, by the titles of Dovecot's processes."""
    found = set()
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                title = re.search(rb"\[(idle\d+)@\S+ .*\bIDLE\b", file.read())
        except OSError:
            continue  # It has ended.
        if title:
            found.add(title[1])
    return found


def settled(service):
    """Resident memory once it has stopped to change."""
    last = 0
    while abs((now := service.rss()) - last) > 100_000:
        last = now
        time.sleep(2)
    return now
