"""The service's own PostgreSQL, asked from outside."""

import glob
import os
import re
import subprocess
import tempfile
import time


class Database:
    """By the programs that come with the server."""

    def __init__(self, folder):
        cluster = f"{folder}/postgres"
        with open(f"{cluster}/cluster/postmaster.pid") as file:
            lines = file.read().splitlines()
        self.server, self.host = int(lines[0]), lines[4].strip()
        self.log = f"{cluster}/server.log"
        self.programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1]
        self.arguments = ["-h", self.host, "-p", "5432", "-U", "restante"]

    def run(self, sql, input=None):
        """Runs statements; the last one's rows as text."""
        done = subprocess.run(
            ["psql", *self.arguments, "-d", "restante", "-v", "ON_ERROR_STOP=1", "-XAtqc", sql],
            capture_output=True, text=True, input=input)
        if done.returncode:
            raise RuntimeError(f"{sql[:80]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def script(self, text):
        """Runs what psql understands, `\\copy … from stdin` with its data included."""
        subprocess.run(["psql", *self.arguments, "-d", "restante", "-v", "ON_ERROR_STOP=1", "-Xq"],
                       check=True, stdout=subprocess.DEVNULL, text=True, input=text)

    def cpu(self):
        """User and system time so far of each process that serves a connection of the service, in seconds."""
        times = {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                with open(path) as file:
                    fields = file.read().rpartition(")")[2].split()
                with open(path.replace("stat", "cmdline")) as file:
                    title = file.read()
            except OSError:
                continue  # It has ended.
            # Autovacuum, which comes and goes as it likes, is no cost of a request.
            if int(fields[1]) == self.server and title.startswith("postgres: restante restante"):
                times[path] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return times

    def cpu_since(self, before):
        """Seconds that they have used since `before`, an answer of `cpu`."""
        return sum(time - before.get(path, 0) for path, time in self.cpu().items())

    def capture(self, action):
        """The statements that `action` makes the service run, with their parameters."""
        self._log_statements("set log_min_duration_statement = 0")
        offset = os.path.getsize(self.log)
        action()
        time.sleep(0.3)
        with open(self.log) as file:
            file.seek(offset)
            text = file.read()
        self._log_statements("reset log_min_duration_statement")
        found = []
        entry = re.compile(r"execute [^:]*: (.*?)\n\d{4}-[^\n]*DETAIL:  parameters: ([^\n]*)", re.S)
        for sql, parameters in entry.findall(text):
            values = re.findall(r"\$(\d+) = '([^']*)'", parameters)
            found.append((" ".join(sql.split()), values))
        return found

    def _log_statements(self, change):
        self.run(f"alter system {change}")
        self.run("select pg_reload_conf()")
        time.sleep(0.3)

    def pgbench(self, statements, is_pipelined=False, connections=8, seconds=5):
        """How many times a second captured statements run, with their parameters, prepared."""
        with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
            file.write(pgbench_script(statements, is_pipelined))
            file.flush()
            output = subprocess.run(
                [f"{self.programs}/pgbench", *self.arguments, "-n", "-M", "prepared",
                 "-c", str(connections), "-j", "1", "-T", str(seconds), "-f", file.name,
                 "restante"], check=True, capture_output=True, text=True).stdout
        return float(re.search(r"tps = ([\d.]+)", output)[1])


def wait_indexed(database, messages, limit=300):
    """Waits until the search index has followed the feed to its end and holds so many messages.

    By one connection and along the index of the feed, and all rows are counted only at the end: looks must not take the time
    that they measure.
    """
    caught_up = ("select (select (c.xid, c.account_id, c.seq) from change c where c.noun = 'message' "
                 "order by c.xid desc, c.account_id desc, c.seq desc limit 1) "
                 "<= (select (p.xid, p.account_id, p.seq) from search_progress p);\n")
    end = time.monotonic() + limit
    looks = subprocess.Popen(["psql", *database.arguments, "-d", "restante", "-v", "ON_ERROR_STOP=1", "-XAtq"],
                             text=True, bufsize=1, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with looks:
        while time.monotonic() < end:
            looks.stdin.write(caught_up)
            looks.stdin.flush()
            answer = looks.stdout.readline().strip()
            if not answer:
                break
            if answer == "t":
                if int(database.run("select count(*) from message_search")) >= messages:
                    return
            time.sleep(0.05)
    raise RuntimeError("the search index has not caught up")


def pgbench_script(statements, is_pipelined):
    lines, body = [], []
    for number, (sql, values) in enumerate(statements):
        for index, value in values:
            int(value)  # A text would need quotes that pgbench does not have.
            lines.append(f"\\set p{number}_{index} {value}")
        body.append(re.sub(r"\$(\d+)", rf":p{number}_\1", sql) + ";")
    if is_pipelined:
        body = ["\\startpipeline", *body, "\\endpipeline"]
    return "\n".join(lines + body) + "\n"
