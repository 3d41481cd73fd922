"""An mbox of 100,000 messages imported into an account that is kept here, and exported again.

Beside it, in the same round: the rows that the import made, by a bare COPY of one connection in binary form, into the same tables
and their indexes, emptied, as one transaction.
"""

import http.client
import os
import random
import time

from database import wait_indexed
from table import at_most, highest, lowest, note

MESSAGES = int(os.environ.get("BENCH_ARCHIVE_MESSAGES", "100000"))
TABLES = ("message", "placement", "blob", "blob_chunk", "thread_key", "thread_subject", "thread_answer")


def measure(stack, table):
    mbox = f"{stack.folder}/archive.mbox"
    write_mbox(mbox)
    size = os.path.getsize(mbox)
    imports, copies, exports = [], [], []
    for number in range(stack.rounds):
        service = stack.serve(None)
        database = stack.database()
        body = {"name": "Archive", "email": "archive@home.example", "incoming": {"protocol": "local"}}
        account = service.json("POST", "/v1/accounts", body)["id"]
        imports.append(import_time(service, account, mbox))
        exports.append(export_time(service, account))
        # The index would lock rows of what is emptied, and slow down the COPY.
        wait_indexed(database, MESSAGES)
        copies.append(copy_time(database, stack.folder))
        note(f"import {imports[-1]:.2f} s, COPY {copies[-1]:.2f} s, export {exports[-1]:.2f} s")
    os.unlink(mbox)
    ratios = [one / other for one, other in zip(imports, copies)]
    place = lowest(ratios)
    table.add(f"import of an mbox of {MESSAGES:,} messages, {size / 1e6:.0f} MB", imports, "s", best=place,
              reference=f"COPY {copies[place]:.2f} s, {MESSAGES / imports[place]:.0f}/s")
    table.add("  as a multiple of a bare COPY of the same rows", ratios, goal=at_most(2), best=place)
    rates = [MESSAGES / seconds for seconds in exports]
    table.add("export of the same as an mbox", rates, "/s", best=highest(rates), digits=0,
              reference=f"{size / exports[highest(rates)] / 1e6:.0f} MB/s")


def write_mbox(path):
    """Threads of three, texts of one to four kilobytes, the same on every machine."""
    source = random.Random(2026)
    words = ["".join(source.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(source.randint(2, 9)))
             for _ in range(5000)]
    with open(path, "w") as file:
        for number in range(MESSAGES):
            answers = f"In-Reply-To: <{number - 1}@mail.example>\nReferences: <{number - 1}@mail.example>\n"
            lines = "\n".join(" ".join(source.choices(words, k=11)) for _ in range(source.randint(15, 60)))
            stamp = time.strftime("%a %b %d %H:%M:%S %Y", time.gmtime(1_600_000_000 + number * 60))
            date = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(1_600_000_000 + number * 60))
            name = source.choice(words)
            file.write(f"From {name}@mail.example {stamp}\nReturn-Path: <{name}@mail.example>\n"
                       f"Received: from a.example by b.example; {date}\nFrom: {name} <{name}@mail.example>\n"
                       f"To: archive@home.example\nSubject: {' '.join(source.choices(words, k=4))}\n"
                       f"Message-ID: <{number}@mail.example>\nDate: {date}\n{answers if number % 3 else ''}"
                       f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nStatus: RO\n\n{lines}\n\n")


def import_time(service, account, mbox):
    """Seconds from the first byte sent to the job's end, which is durable."""
    job = service.json("POST", f"/v1/accounts/{account}/imports", {"format": "mbox"})["id"]
    connection = http.client.HTTPConnection(service.address, timeout=600)
    before = time.monotonic()
    with open(mbox, "rb") as file:
        connection.request("POST", f"/v1/accounts/{account}/imports/{job}:upload", file,
                           {"Authorization": f"Bearer {service.token}", "Content-Type": "application/mbox",
                            "Content-Length": str(os.path.getsize(mbox))})
        answer = connection.getresponse()
        text = answer.read()
    seconds = time.monotonic() - before
    connection.close()
    done = service.json("GET", f"/v1/jobs/{job}")
    if answer.status != 200 or done["done"] != MESSAGES or done["errors"]:
        raise RuntimeError(f"{answer.status} {text[:300]}")
    return seconds


def export_time(service, account):
    connection = http.client.HTTPConnection(service.address, timeout=600)
    before = time.monotonic()
    connection.request("GET", f"/v1/accounts/{account}/messages:export?mailbox=inbox", None,
                       {"Authorization": f"Bearer {service.token}"})
    answer = connection.getresponse()
    while answer.read(1 << 20):
        pass
    connection.close()
    if answer.headers["Restante-Message-Count"] != str(MESSAGES):
        raise RuntimeError("not all was exported")
    return time.monotonic() - before


def copy_time(database, folder):
    """Seconds of a COPY of all rows out of files into the tables, which were emptied."""
    statements = []
    for name in TABLES:
        columns = database.run(
            "select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns"
            f" where table_schema = 'public' and table_name = '{name}' and is_generated = 'NEVER'")
        path = f"{folder}/{name}.copy"
        database.script(f"\\copy {name} ({columns}) to '{path}' (format binary)\n")
        statements.append(f"\\copy {name} ({columns}) from '{path}' (format binary)\n")
    empty(database)
    database.run("checkpoint")
    before = time.monotonic()
    database.script("begin;\n" + "".join(statements) + "commit;\n")
    seconds = time.monotonic() - before
    for name in TABLES:
        os.unlink(f"{folder}/{name}.copy")
    return seconds


def empty(database):
    """Empties the tables; what the service does meanwhile may lock them in another order."""
    for left in reversed(range(5)):
        try:
            return database.run(f"truncate {', '.join(TABLES)}")
        except RuntimeError as error:
            if not left or "deadlock" not in str(error):
                raise
