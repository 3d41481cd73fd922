"""A Sieve script of 200 rules over headers on 10,000 parsed messages: runs of it a second, on one core.

The program `sieveruns` (Benchmarks/SieveRuns) compiles the script once. Pigeonhole is measured by its
`sieve-test` with the same kind of script compiled beforehand: one process a message, so that what it says
includes the start of a process and reading both files; it has no way to run a script by itself.
"""

import json
import os
import subprocess
import tempfile
import time

from table import at_least, highest, note

GOAL, RUNS = 20_000, 50
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


def pigeonhole():
    """Processes of sieve-test a second; nothing where it is not installed."""
    if not os.access(PIGEONHOLE, os.X_OK):
        return None
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        files = {
            "dovecot.conf": configuration(folder),
            "script.sieve": 'require ["fileinto"];\n' + "".join(
                f'if header :contains "subject" "topic{rule}" {{ fileinto "Rule {rule}"; }}\n'
                for rule in range(200)),
            "message.eml": "From: a@example.com\nTo: user@example.org\nSubject: topic7\n\ntext\n",
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
