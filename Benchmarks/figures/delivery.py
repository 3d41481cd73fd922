"""Mail coming in: 8 connections of LMTP that bring small messages into one mailbox, each durable before its reply.

Beside it, in the same round: the same into a mailbox of Dovecot by its LMTP, and the rows that a message makes here, inserted
by pgbench with 8 clients, a transaction a message. Those transactions do not wait for each other, though ours, which
also number the account's feed and count what the mailbox holds, do; nor do they look up the recipient, or the threads.
"""

import multiprocessing
import socket
import time

from table import at_least, highest, note

CONNECTIONS, MESSAGES = 8, 2_000
PORT = 18_083


def measure(stack, table):
    mail = stack.mail
    service = stack.serve(mail, arguments=("--lmtp-listen", f"127.0.0.1:{PORT}"))
    body = {"name": "Inbox", "email": "inbox@home.example", "incoming": {"protocol": "local"}}
    account = service.json("POST", "/v1/accounts", body)["id"]
    database = stack.database()
    ours, theirs, inserts = [], [], []
    for number in range(stack.rounds):
        ours.append(rate(PORT, "inbox@home.example", f"ours-{number}"))
        theirs.append(rate(mail.lmtp_port, "carol@test.invalid", f"theirs-{number}"))
        inserts.append(insert_rate(database))
        note(f"here {ours[-1]:.0f}/s, Dovecot {theirs[-1]:.0f}/s, pgbench {inserts[-1]:.0f}/s")
    expected = MESSAGES * stack.rounds
    found = service.json("GET", f"/v1/accounts/{account}/mailboxes")["items"]
    kept = next(box["totalMessages"] for box in found if box["role"] == "inbox")
    if kept != expected:
        raise RuntimeError(f"{kept} of {expected} messages are there")
    place = highest(ours)
    table.add("messages into one mailbox by LMTP, 8 connections", ours, "/s", best=place, digits=0,
              reference=f"Dovecot {theirs[place]:.0f}/s, pgbench {inserts[place]:.0f}/s")
    for name, others, goal in (("Dovecot's LMTP", theirs, 3), ("pgbench with the same rows", inserts, 0.6)):
        ratios = [one / other for one, other in zip(ours, others)]
        table.add(f"  as a multiple of {name}", ratios, goal=at_least(goal), best=highest(ratios))


def rate(port, recipient, tag):
    """Messages a second."""
    start = multiprocessing.Event()
    workers = [multiprocessing.Process(target=bring, args=(port, recipient, f"{tag}-{number}", start))
               for number in range(CONNECTIONS)]
    for worker in workers:
        worker.start()
    time.sleep(0.5)
    before = time.monotonic()
    start.set()
    for worker in workers:
        worker.join()
    if any(worker.exitcode for worker in workers):
        raise RuntimeError("a message was refused")
    return MESSAGES / (time.monotonic() - before)


def bring(port, recipient, tag, start):
    """Brings one connection's share, the envelope in one write."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        expect(replies, b"220")
        connection.sendall(b"LHLO bench\r\n")
        expect(replies, b"250")
        start.wait()
        for number in range(MESSAGES // CONNECTIONS):
            connection.sendall(f"MAIL FROM:<bench@test.invalid>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode())
            for code in (b"250", b"250", b"354"):
                expect(replies, code)
            connection.sendall(message(f"{tag}-{number}") + b".\r\n")
            expect(replies, b"250")


def message(name):
    text = "A line of some length that says nothing of interest to anybody.\r\n" * 20
    return (f"From: Bench <bench@test.invalid>\r\nTo: You <you@test.invalid>\r\nSubject: Number {name}\r\n"
            f"Message-ID: <{name}@test.invalid>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n{text}").encode()


def expect(replies, code):
    line = b"   -"
    while line[3:4] == b"-":
        line = replies.readline()
    if not line.startswith(code):
        raise RuntimeError(f"{line!r} where {code!r} was expected")


def insert_rate(database):
    """Transactions a second that insert the rows of the newest message again, with ids of their own."""
    database.run("create sequence if not exists bench_id start 4000000000000000000")
    account, template, blob = database.run(
        "select account_id, id, blob_id from message where blob_id is not null order by id desc limit 1"
    ).split("|")
    # The one of its keys that is its own Message-ID's: it stands under no other thread.
    key = database.run(f"select key from thread_key where account_id = {account} and thread_id = {template} limit 1")
    fresh = "currval('bench_id')"
    statements = ["select nextval('bench_id')"]
    for table, key, value, changed in (
        ("blob", "id", blob, {"id": fresh}),
        ("message", "id", template, {"id": fresh, "thread_id": fresh, "blob_id": fresh}),
        # Where nothing of the service's counts or shows them.
        ("placement", "message_id", template, {"message_id": fresh, "mailbox_id": "1"}),
        ("thread_key", "key", key, {"key": fresh, "thread_id": fresh}),
        ("thread_subject", "message_id", template, {"key": fresh, "message_id": fresh, "thread_id": fresh}),
    ):
        columns = database.run(
            "select string_agg(column_name, ',' order by ordinal_position) from information_schema.columns"
            f" where table_schema = 'public' and table_name = '{table}' and is_generated = 'NEVER'").split(",")
        chosen = ", ".join(changed.get(column, column) for column in columns)
        statements.append(f"insert into {table} ({', '.join(columns)}) select {chosen} from {table}"
                          f" where account_id = {account} and {key} = {value}")
    statements = [("begin", []), *((statement, []) for statement in statements), ("commit", [])]
    try:
        return database.pgbench(statements, connections=CONNECTIONS)
    finally:
        for table, key in (("placement", "message_id"), ("message", "id"), ("blob", "id"), ("thread_key", "thread_id"),
                           ("thread_subject", "message_id")):
            database.run(f"delete from {table} where {key} >= 4000000000000000000")
