"""Rules: 20 of them over 100,000 stored messages, and what 100 of them add to a message that comes.

The stored messages are seeded by SQL (seeds.py) in an account whose server does not answer, so that every
move is an intent in the queue as well, and the service's own indexer has made them searchable. The rules look
at senders and subjects; a sixth of the messages meets one. Each round runs them as a job, from the POST to the
job's own end, and undoes that.

What comes is brought by LMTP over one connection, one message after the other, each when the rules have
looked at the one before: first without rules, then with 100 of which a few match.
"""

import random
import socket
import time

import processes
from figures.delivery import expect, message
from firstsync import synced_inbox
from seeds import seed
from service import percentile
from table import below, lowest, note
from vocabulary import Vocabulary

MESSAGES, RULES = 100_000, 20
DELIVERIES, DELIVERY_RULES = 200, 100
PORT = 18_083


def measure(stack, table):
    stored(stack, table)
    coming(stack, table)


def stored(stack, table):
    service = stack.serve(stack.mail)
    synced_inbox(service, stack.mail)
    database = stack.database()
    vocabulary = Vocabulary()
    account, _ = seed(service, database, "seeded", MESSAGES, vocabulary.messages(MESSAGES))
    processes.wait_until(
        lambda: int(database.run("select count(*) from message_search")) >= MESSAGES,
        "the search index", 400, 0.5)
    # The rules file into mailboxes that are there: this server makes none.
    database.run(MAILBOXES)
    for rule in rules(vocabulary):
        service.json("POST", f"/v1/accounts/{account}/rules", rule)
    runs, undos, costs = [], [], []
    for _ in range(stack.rounds):
        before = service.cpu(), database.cpu()
        seconds, job = run(service, account, "run", {"mailbox": "inbox"})
        cost = service.cpu() - before[0], database.cpu_since(before[1])
        result = job["result"]
        if result["messages"] != MESSAGES or not MESSAGES / 20 < result["matched"] < MESSAGES / 2:
            raise RuntimeError(f"the rules did not do what was meant: {result}")
        runs.append(seconds)
        costs.append(cost[0])
        undos.append(run(service, account, "undo", {"job": job["id"]})[0])
        note(f"{RULES} rules over {MESSAGES} in {seconds:.2f} s, CPU {cost[0]:.2f} s and PostgreSQL's "
             f"{cost[1]:.2f} s: {result}; undone in {undos[-1]:.2f} s")
    best = lowest(runs)
    table.add(f"{RULES} rules over {MESSAGES:,} stored messages", runs, "s", below(10), best=best,
              reference=f"{result['matched']:,} matched")
    table.add("  CPU of the service", costs, "s", best=best)
    table.add("  undone", undos, "s", best=best)


def run(service, account, verb, body):
    """Seconds until a job has ended, and the job."""
    start = time.monotonic()
    job = service.json("POST", f"/v1/accounts/{account}/rules:{verb}", body)
    while job["state"] in ("queued", "running"):
        if time.monotonic() - start > 300:
            raise RuntimeError(f"the job does not end: {job}")
        time.sleep(0.02)
        job = service.json("GET", f"/v1/jobs/{job['id']}")
    if job["state"] != "done":
        raise RuntimeError(f"the job failed: {job}")
    return time.monotonic() - start, job


def rules(vocabulary):
    """Twenty rules as people have them: senders, domains, words and patterns of subjects, combinations."""
    people, words = vocabulary.people, vocabulary.words
    found = []
    for number in range(RULES):
        name, email = people[20 + 7 * number]
        when = (
            {"from": email},
            {"property": "from.domain", "op": "is", "value": email.split("@")[1]},
            {"subject": words[1 + number // 6]},
            {"property": "subject", "op": "matches", "value": f"*{words[60 + number]}*{words[number]}*"},
            {"operator": "and", "conditions": [{"subject": words[10 + number]},
                                               {"operator": "not", "conditions": [{"from": name}]}]},
            {"property": "subject", "op": "regex", "value": f"{words[30 + number]} +[a-f]"},
        )[number % 6]
        action = ({"type": "move", "mailbox": f"Rule {number % 4}"},
                  {"type": "addKeywords", "keywords": [f"k{number}", "$seen"]})[number % 2]
        found.append({"name": f"Rule {number}", "when": when, "actions": [action],
                      "stop": number % 5 == 4})
    return found


MAILBOXES = """
insert into mailbox (account_id, id, name, path, encoded_name, delimiter, uid_validity, uid_next,
  synced_down_to)
select (select max(id) from account), last - 900 + n, 'Rule ' || n, 'Rule ' || n, 'Rule ' || n, '/', 1, 1, 1
from (select nextval('row_id') as last) as s, generate_series(0, 3) as n
"""


def coming(stack, table):
    mail = stack.mail
    service = stack.serve(mail, arguments=("--lmtp-listen", f"127.0.0.1:{PORT}"))
    body = {"name": "Inbox", "email": "inbox@home.example", "incoming": {"protocol": "local"}}
    account = service.json("POST", "/v1/accounts", body)["id"]
    database = stack.database()
    bring(service, database, "warm")
    without = [bring(service, database, f"plain-{number}") for number in range(stack.rounds)]
    vocabulary = Vocabulary()
    choice = random.Random(5)
    for number in range(DELIVERY_RULES):
        name, email = vocabulary.people[number]
        when = choice.choice(({"from": email}, {"subject": f"{vocabulary.words[number]} {number}"},
                              {"property": "to.address", "op": "is", "value": email},
                              {"subject": f"-{number:03}-"}))
        service.json("POST", f"/v1/accounts/{account}/rules",
                     {"name": name, "when": when,
                      "actions": [{"type": "addKeywords", "keywords": [f"k{number}"]}]})
    filtered = [bring(service, database, f"rules-{number}") for number in range(stack.rounds)]
    added = [one[0] - other[0] for one, other in zip(filtered, without)]
    costs = [one[1] - other[1] for one, other in zip(filtered, without)]
    best = lowest(added)
    table.add(f"{DELIVERY_RULES} rules: what a delivery takes longer, median", added, "ms", below(0.5),
              best=best, reference=f"{without[best][0]:.2f} ms without rules")
    table.add("  CPU of the service a message, rules run", costs, "ms", best=best)


def bring(service, database, tag):
    """The median of the milliseconds from the end of a message to its reply, and the CPU a message."""
    times, before = [], service.cpu()
    with socket.create_connection(("127.0.0.1", PORT)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        replies = connection.makefile("rb")
        expect(replies, b"220")
        connection.sendall(b"LHLO bench\r\n")
        expect(replies, b"250")
        for number in range(DELIVERIES):
            connection.sendall(
                b"MAIL FROM:<bench@test.invalid>\r\nRCPT TO:<inbox@home.example>\r\nDATA\r\n")
            for code in (b"250", b"250", b"354"):
                expect(replies, code)
            start = time.monotonic()
            connection.sendall(message(f"{tag}-{number:03}-") + b".\r\n")
            expect(replies, b"250")
            times.append((time.monotonic() - start) * 1000)
            # The rules run behind the delivery: the next one is not to wait for them.
            time.sleep(0.01)
    time.sleep(0.5)
    if waiting := int(database.run("select count(*) from rule_arrival")):
        raise RuntimeError(f"{waiting} messages wait for their rules")
    cost = (service.cpu() - before) / DELIVERIES * 1000
    note(f"{tag}: {percentile(times, 0.5):.2f} ms a delivery, {cost:.2f} ms CPU")
    return percentile(times, 0.5), cost
