"""A Sieve script of 200 rules over headers on 10,000 parsed messages: runs of it a second, on one core.

The program `sieveruns` (Benchmarks/SieveRuns) compiles the script once. Pigeonhole has no way to run a
script by itself, so it is measured twice. By `sieve-test`, with the same kind of script compiled beforehand:
one process a message, so that what it says includes the start of a process and reading both files. And by
deliveries over one connection of Dovecot's LMTP to a user with such a script, less those to a user without:
what is left is opening the compiled script, reading the message's header, and the run.
"""

import json
import os
import subprocess
import tempfile
import time

from service import percentile
from table import at_least, highest, lowest, note

GOAL, RUNS, DELIVERIES = 20_000, 50, 300
PIGEONHOLE = "/usr/bin/sieve-test"


def measure(stack, table):
    program = os.path.join(stack.programs, "sieveruns")
    rounds = []
    for _ in range(stack.rounds):
        output = subprocess.run([program, "1"], check=True, capture_output=True, timeout=300).stdout
        rounds.append(json.loads(output)["runsPerSecond"])
    reference = pigeonhole()
    table.add("Sieve, 200 rules on a parsed message, a core", rounds, "/s", at_least(GOAL),
              best=highest(rounds), digits=0,
              reference=f"sieve-test {reference:.0f}/s, a process each" if reference else "")
    delivered(stack, table)


def delivered(stack, table):
    """What a script of 200 rules adds to a delivery by Dovecot's LMTP, in one connection."""
    mail = stack.mail
    path = f"{os.path.dirname(mail.maildir('bob'))}/.dovecot.sieve"
    with mail.delivery() as connection:
        for user in ("bob", "carol"):
            milliseconds(connection, user, 20)
        with open(path, "w", encoding="utf-8") as file:
            file.write(script())
        mail.give_away("bob")
        milliseconds(connection, "bob", 20)
        rounds = [(milliseconds(connection, "bob"), milliseconds(connection, "carol"))
                  for _ in range(stack.rounds)]
    os.remove(path)
    added = [one - other for one, other in rounds]
    best = lowest(added)
    table.add("  Pigeonhole, 200 rules in a delivery by LMTP, added", added, "ms", best=best,
              reference=f"{rounds[best][1]:.2f} ms without")


def milliseconds(connection, user, count=DELIVERIES):
    """The median of deliveries one after the other, from MAIL to the reply that says it is kept."""
    times = []
    address = f"{user}@test.invalid"
    for number in range(count):
        text = f"From: a@example.com\nTo: {address}\nSubject: topic{number % 400}x\n\ntext\n"
        start = time.monotonic()
        connection.sendmail("bench@test.invalid", [address], text)
        times.append((time.monotonic() - start) * 1000)
    return percentile(times, 0.5)


def script():
    """Two hundred rules, of which a message meets one at most."""
    return 'require ["fileinto"];\n' + "".join(
        f'if header :contains "subject" "topic{rule}x" {{ fileinto "INBOX"; }}\n'
        for rule in range(200))


def pigeonhole():
    """Processes of sieve-test a second; nothing where it is not installed."""
    if not os.access(PIGEONHOLE, os.X_OK):
        return None
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        files = {
            "dovecot.conf": configuration(folder),
            "script.sieve": script(),
            "message.eml": "From: a@example.com\nTo: user@example.org\nSubject: topic7x\n\ntext\n",
        }
        for name, text in files.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        command = [PIGEONHOLE, "-c", f"{folder}/dovecot.conf", f"{folder}/script.sieve",
                   f"{folder}/message.eml"]
        note("the first run of sieve-test compiles the script")
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        start = time.monotonic()
        for _ in range(RUNS):
            subprocess.run(command, check=True, capture_output=True, timeout=60)
        return RUNS / (time.monotonic() - start)


def configuration(folder):
    user = 65534 if os.geteuid() == 0 else os.geteuid()
    return (f"mail_uid = {user}\nmail_gid = {user}\nmail_home = {folder}/home\n"
            f"mail_location = maildir:{folder}/home/Maildir\nbase_dir = {folder}/run\n"
            "log_path = /dev/stderr\n")
