"""Measures many accounts that idle over TLS: memory each, the restart, and how soon all are watched again.

    accounts.py RESTANTE [--accounts 1000] [--messages 20] [--folder DIR] [--goals]

Starts a Dovecot of its own in which every user exists, and the service before it, all on loopback.
"""

import argparse
import concurrent.futures
import http.client
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from service import Service  # noqa: E402

PASSWORD = "secret"
rows = []
processes = []


def note(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*arguments):
    subprocess.run(arguments, check=True, capture_output=True)


def start(arguments, log):
    with open(log, "ab") as file:
        process = subprocess.Popen(arguments, stdout=file, stderr=file, stdin=subprocess.DEVNULL,
                                   start_new_session=True)
    processes.append(process)
    return process


def stop(process, limit=30):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    processes.remove(process)


def wait_for(what, condition, limit=60, pause=0.05):
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(pause)
    raise RuntimeError(f"{what} did not happen in {limit} s")


class Dovecot:
    """IMAP over TLS for any user, whose mail is empty or what `fill` put there."""

    def __init__(self, folder, accounts, extra=""):
        self.folder = f"{folder}/dovecot"
        self.port = free_port()
        for name in ["run", "state", "mail", "tls"]:
            os.makedirs(f"{self.folder}/{name}")
        self.make_certificates()
        os.chown(f"{self.folder}/mail", 65534, 65534)
        with open(f"{self.folder}/dovecot.conf", "w") as file:
            file.write(self.configuration(accounts) + extra)
        self.log = f"{self.folder}/dovecot.log"
        self.process = start(["dovecot", "-F", "-c", f"{self.folder}/dovecot.conf"], self.log)
        wait_for("Dovecot's greeting", self.answers)

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def make_certificates(self):
        tls = f"{self.folder}/tls"
        self.authority = f"{tls}/ca.pem"
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            "/CN=bench authority", "-keyout", f"{tls}/ca.key", "-out", self.authority)
        run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", f"{tls}/key.pem", "-out", f"{tls}/request.pem")
        with open(f"{tls}/names", "w") as file:
            file.write("subjectAltName=DNS:localhost\n")
        run("openssl", "x509", "-req", "-days", "2", "-in", f"{tls}/request.pem", "-CA",
            self.authority, "-CAkey", f"{tls}/ca.key", "-CAcreateserial", "-extfile",
            f"{tls}/names", "-out", f"{tls}/certificate.pem")

    def configuration(self, accounts):
        # Two connections an account, and as much again while one replaces another.
        clients = accounts * 4 + 1000
        special = "\n".join(f"  mailbox {name} {{\n    special_use = \\{name}\n    auto = subscribe\n  }}"
                            for name in ["Drafts", "Junk", "Trash", "Sent", "Archive"])
        return f"""
protocols = imap
listen = 127.0.0.1
base_dir = {self.folder}/run
state_dir = {self.folder}/state
log_path = {self.folder}/dovecot.log
ssl = required
ssl_cert = <{self.folder}/tls/certificate.pem
ssl_key = <{self.folder}/tls/key.pem
first_valid_uid = 1
mail_uid = 65534
mail_gid = 65534
mail_home = {self.folder}/mail/%Lu
mail_location = maildir:~/maildir
mail_fsync = never
mail_max_userip_connections = 200
mailbox_list_index = yes
auth_failure_delay = 0
passdb {{
  driver = static
  args = password={PASSWORD}
}}
userdb {{
  driver = static
  args = uid=65534 gid=65534 home={self.folder}/mail/%Lu
}}
namespace inbox {{
  inbox = yes
  separator = /
{special}
}}
default_client_limit = {clients}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {self.port}
    ssl = yes
  }}
  service_count = 0
  client_limit = {clients}
  process_min_avail = 2
  process_limit = 2
}}
service imap {{
  process_limit = {clients}
  service_count = 100
}}
service anvil {{
  client_limit = {clients}
}}
service auth {{
  client_limit = {clients}
}}
service stats {{
  unix_listener stats-writer {{
    mode = 0666
  }}
  client_limit = {clients}
}}
"""

    def fill(self, user, count):
        """Puts `count` messages into the inbox of `user`, before its first login."""
        home = f"{self.folder}/mail/{user}"
        for name in ["cur", "new", "tmp"]:
            os.makedirs(f"{home}/maildir/{name}", exist_ok=True)
        for number in range(count):
            text = (f"From: Sender {number} <sender{number}@example.org>\r\nTo: {user}@test.invalid\r\n"
                    f"Subject: Message {number} of {user}\r\nMessage-ID: <{number}.{user}@example.org>\r\n"
                    f"Date: Mon, 2 Nov 2026 10:{number % 60:02}:00 +0000\r\n\r\nHello, {user}.\r\n")
            path = f"{home}/maildir/new/{1762000000 + number}.{number}.bench"
            with open(path, "w", newline="") as file:
                file.write(text)
        for folder, names, files in os.walk(home):
            for name in [folder] + [f"{folder}/{file}" for file in files]:
                os.chown(name, 65534, 65534)

    def sessions(self):
        """The IMAP sessions that are logged in."""
        output = subprocess.run(["doveadm", "-c", f"{self.folder}/dovecot.conf", "who", "-1"],
                                capture_output=True, text=True).stdout
        return [line.split()[0] for line in output.splitlines()[1:] if " imap " in line]


class Restante:
    """The service, started again and again on the same data."""

    def __init__(self, program, folder, authority, wrap=()):
        self.listen = f"127.0.0.1:{free_port()}"
        self.data = f"{folder}/service"
        self.log = f"{folder}/restante.log"
        self.arguments = [*wrap, program, "serve", "--ca-file", authority, "--data", self.data,
                          "--listen", self.listen, "--allow-network", "127.0.0.0/8"]

    def start(self, path="/readyz"):
        """Starts it; the seconds until `path` was answered by 200."""
        began = time.monotonic()
        self.process = start(self.arguments, self.log)
        token = None
        host, port = self.listen.split(":")
        while time.monotonic() - began < 60:
            if self.process.poll() is not None:
                raise RuntimeError(open(self.log).read()[-2000:])
            try:
                if path != "/readyz" and token is None:
                    with open(f"{self.data}/admin.token") as file:
                        token = file.read().strip()
                connection = http.client.HTTPConnection(host, int(port), timeout=10)
                connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
                if connection.getresponse().status == 200:
                    elapsed = time.monotonic() - began
                    with open(f"{self.data}/admin.token") as file:
                        token = file.read().strip()
                    self.service = Service(f"http://{self.listen}", token, self.process.pid)
                    return elapsed
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.005)
        raise RuntimeError("the service did not answer")

    def stop(self):
        stop(self.process)

    def anonymous(self):
        """Resident memory that no file backs, in bytes."""
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1]) * 1024


class Database:
    """Looks into the service's own PostgreSQL."""

    def __init__(self, data):
        with open(f"{data}/postgres/cluster/postmaster.pid") as file:
            self.host = file.read().splitlines()[4].strip()

    def number(self, sql):
        output = subprocess.run(
            ["psql", "-h", self.host, "-U", "restante", "-d", "restante", "-XAtqc", sql],
            check=True, capture_output=True, text=True).stdout
        return int(output.strip() or 0)


def watched(dovecot, per_account):
    """How many users have at least `per_account` sessions."""
    counts = {}
    for user in dovecot.sessions():
        counts[user] = counts.get(user, 0) + 1
    return sum(1 for count in counts.values() if count >= per_account)


def settled(measure, pause=3, limit=120):
    """What `measure` says once it has stopped to change by more than a part in a hundred."""
    last = measure()
    end = time.monotonic() + limit
    while time.monotonic() < end:
        time.sleep(pause)
        now = measure()
        if abs(now - last) <= last / 200:
            return now
        last = now
    return last


def add(figure, value, unit, goal="", met=None):
    rows.append((figure, f"{value:.2f} {unit}", goal,
                 "" if met is None else "yes" if met else "NO"))
    note(f"{figure}: {value:.2f} {unit}")


def add_accounts(restante, dovecot, names):
    """Adds them by eight connections; their ids."""
    services = [Service(restante.service.base, restante.service.token, restante.process.pid)
                for _ in range(8)]

    def work(index):
        service = services[index]
        return [service.add_account(name, PASSWORD, dovecot.port, None)
                for name in names[index::8]]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return [account for part in pool.map(work, range(8)) for account in part]


def measure(options, folder):
    count = options.accounts
    names = [f"user{number}" for number in range(count)]
    dovecot = Dovecot(folder, count)
    for name in names:
        dovecot.fill(name, options.messages)
    restante = Restante(options.restante, folder, dovecot.authority, shlex.split(options.wrap))
    restante.start()
    restante.service.json("GET", "/v1/accounts")
    time.sleep(2)
    base, base_anonymous = restante.service.rss(), restante.anonymous()
    add("memory before the first account", base / 1e6, "MB")
    began = time.monotonic()
    accounts = add_accounts(restante, dovecot, names)
    add(f"{count} accounts added after", time.monotonic() - began, "s")
    database = Database(restante.data)
    ready = "select count(*) from account where state = 'ready' and first_synced_at is not null"
    wait_for("the first sync", lambda: database.number(ready) == count, 600, 0.5)
    add("all synced for the first time after", time.monotonic() - began, "s")
    wait_for("the watch", lambda: watched(dovecot, options.sessions) == count, 300, 0.5)
    add("all watched after", time.monotonic() - began, "s")
    report_memory("first run", restante, count, base, base_anonymous)

    restante.stop()
    page = f"/v1/accounts/{accounts[-1]}/messages?limit=50"
    elapsed = restante.start(page)
    began = time.monotonic() - elapsed
    add("restart to the first answer (a list of messages)", elapsed, "s", "< 0.5 s", elapsed < 0.5)
    slowest = read_all(restante, accounts)
    add("the slowest page of all accounts, read while they connect", slowest, "s")
    wait_for("the watch", lambda: watched(dovecot, options.sessions) == count, 300, 0.5)
    elapsed = time.monotonic() - began
    add("restart to all watched", elapsed, "s", "< 60 s", elapsed < 60)
    ready = "select count(*) from account where state = 'ready' and last_error is null"
    wait_for("health", lambda: database.number(ready) == count, 300, 0.5)
    before = restante.service.cpu()
    report_memory("after a restart", restante, count, base, base_anonymous)
    used = restante.service.cpu()
    time.sleep(60)
    add("CPU of the service while all idle", (restante.service.cpu() - used) / 60 * 100, "%")
    add("CPU of the service from the restart until all idle", before, "s")
    report_memory("a minute later", restante, count, base, base_anonymous)
    if options.hold:
        note(f"held: pid {restante.process.pid}")
        time.sleep(options.hold)
    restante.stop()


def read_all(restante, accounts):
    slowest = 0
    for account in accounts:
        began = time.monotonic()
        restante.service.json("GET", f"/v1/accounts/{account}/messages?limit=50")
        slowest = max(slowest, time.monotonic() - began)
    return slowest


def report_memory(when, restante, count, base, base_anonymous):
    rss = settled(restante.service.rss)
    each = (rss - base) / count / 1024
    own = (restante.anonymous() - base_anonymous) / count / 1024
    add(f"memory of the service, {when}", rss / 1e6, "MB")
    add("… all of it, an account", rss / count / 1024, "KB", "< 60 KB",
        rss / count / 1024 < 60)
    add("… beyond that before the first account, an account", each, "KB", "< 60 KB", each < 60)
    add("… of that no file backs", own, "KB")
    add("descriptors of the service", restante.service.descriptors(), "")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("restante")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--sessions", type=int, default=2, help="connections an account has at rest")
    parser.add_argument("--wrap", default="", help="a command that runs the service, to profile it")
    parser.add_argument("--hold", type=int, default=0)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="restante-accounts-", dir="/var/tmp")
    os.chmod(folder, 0o755)
    try:
        measure(options, folder)
    except BaseException:
        for log in [f"{folder}/restante.log", f"{folder}/dovecot/dovecot.log"]:
            if os.path.exists(log):
                note(log)
                note("\n".join(open(log, errors="replace").read().splitlines()[-15:]))
        raise
    finally:
        for process in reversed(list(processes)):
            stop(process)
        shutil.rmtree(folder, ignore_errors=True)
        width = max(len(row[0]) for row in rows) if rows else 0
        for figure, value, goal, met in rows:
            print(f"{figure:{width}}  {value:>12}  {goal:>8}  {met}")
    sys.exit(any(row[3] == "NO" for row in rows))


main()
