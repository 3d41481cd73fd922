"""10,000 messages from Dovecot by POP3, stored durably, against a client that throws them away.

With PIPELINING, and through a relay that takes it out of CAPA's answer, so that every message costs a round trip; the drain goes
the same way. Then a look that finds nothing new.
"""

import multiprocessing
import select
import socket
import statistics
import time

from database import wait_indexed
from pop3 import POP3, drain
from stack import MESSAGES
from table import at_most, lowest, note


def measure(stack, table):
    service, mail = stack.serve(stack.mail), stack.mail
    database = stack.database()
    # The first time Dovecot reads every message for its size, which it then knows.
    drain(mail, "ada", MESSAGES)
    relay = Relay(mail.pop3_port)
    try:
        for name, port, window, goal in (("", mail.pop3_port, 64, 5),
                                         (" without PIPELINING", relay.port, 1, 1.3)):
            rounds = [measure_round(service, database, mail, port, window) for _ in range(stack.rounds)]
            before, after, times, costs = zip(*rounds)
            # Of a drain that waits for each answer the time depends on how deep the cores sleep between: it varies twofold.
            usual = statistics.median(before + after)
            ratios = [time / usual for time in times]
            best = lowest(ratios)
            table.add(f"10,000 messages by POP3{name}", times, "s", best=best,
                      reference=f"median drain {usual:.3f} s")
            table.add("  times the drain of the same kind", ratios, goal=at_most(goal), best=best)
            table.add("  service CPU", costs, "s")
        measure_nothing_new(stack, service, mail, table)
    finally:
        relay.stop()


def measure_round(service, database, mail, port, window):
    """Seconds: the drain before and after, the download, CPU of the service; each has the machine to itself."""
    before = drain(Through(mail, port), "ada", MESSAGES, window)[0]
    cpu, start = service.cpu(), time.monotonic()
    account = add_account(service, mail, port)
    while service.mailboxes(account)["inbox"]["totalMessages"] < MESSAGES:
        if time.monotonic() - start > 120:
            raise RuntimeError("the download takes more than two minutes")
        time.sleep(0.02)
    total, cost = time.monotonic() - start, service.cpu() - cpu
    # Dovecot locks the mailbox until the session is over.
    wait_ready(service, account)
    wait_indexed(database, MESSAGES)
    after = drain(Through(mail, port), "ada", MESSAGES, window)[0]
    note(f"drain {before:.3f} and {after:.3f} s, all {total:.3f} s, {cost:.2f} s CPU")
    service.remove(account)
    return before, after, total, cost


def measure_nothing_new(stack, service, mail, table):
    """From the request of a look to its end, by the time that the service writes down then."""
    database = stack.database()
    account = add_account(service, mail, mail.pop3_port)
    wait_ready(service, account)
    times, lists = [], []
    for _ in range(max(stack.rounds, 5)):
        start = time.monotonic()
        session = POP3(mail, "ada")
        session.listing("UIDL")
        session.command("QUIT")
        lists.append(time.monotonic() - start)
        database.run("update account set last_sync_at = null")
        start = time.monotonic()
        service.json("POST", f"/v1/accounts/{account}:sync")
        while service.json("GET", f"/v1/accounts/{account}?fields=lastSyncAt")["lastSyncAt"] is None:
            time.sleep(0.002)
        times.append(time.monotonic() - start)
    table.add("nothing new among 10,000 by POP3", times, "s", digits=3,
              reference=f"login, UIDL, QUIT {min(lists):.3f} s")


def add_account(service, mail, port):
    body = {"email": "ada@test.invalid", "incoming": {
        "protocol": "pop3", "host": "127.0.0.1", "port": port, "tls": "none",
        "auth": {"username": "ada", "password": mail.password}}}
    return service.json("POST", "/v1/accounts", body)["id"]


def wait_ready(service, account):
    while service.json("GET", f"/v1/accounts/{account}")["state"] != "ready":
        time.sleep(0.02)


class Through:
    """The mail server by another port."""

    def __init__(self, mail, port):
        self.pop3_port, self.password = port, mail.password


class Relay:
    """Passes on what comes, but for the word PIPELINING; a process of its own."""

    def __init__(self, port):
        listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = listener.getsockname()[1]
        self.process = multiprocessing.Process(target=serve, args=(listener, port), daemon=True)
        self.process.start()
        listener.close()

    def stop(self):
        self.process.terminate()
        self.process.join()


def serve(listener, port):
    """Serves one connection after the other, as a POP3 mailbox does."""
    while True:
        client, _ = listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            pass_on(client, server)


def pass_on(client, server):
    other = {client: server, server: client}
    while True:
        for end in select.select(list(other), [], [])[0]:
            try:
                data = end.recv(1 << 18)
            except OSError:
                return
            if not data:
                return
            other[end].sendall(data.replace(b"PIPELINING\r\n", b""))
