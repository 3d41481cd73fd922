"""What the benchmarks and the soak know of the service: its requests and its process."""

import http.client
import json
import os
import socket
import time
import urllib.parse


class Service:
    """One keep-alive connection to the service, and its process."""

    def __init__(self, base, token, pid):
        self.address = urllib.parse.urlsplit(base).netloc
        self.base = base
        self.token = token
        self.pid = pid
        self.connection = None
        self.last_use = 0.0

    def call(self, method, path, body=None, headers=None, timeout=30):
        """The status, the fields and the body of an answer."""
        fields = {"Authorization": f"Bearer {self.token}"}
        if isinstance(body, (dict, list)):
            body = json.dumps(body).encode()
            fields["Content-Type"] = "application/json"
        fields.update(headers or {})
        now = time.monotonic()
        if self.connection is not None and now - self.last_use > 20:
            # The service closes a connection that was idle for a while.
            self.connection.close()
            self.connection = None
        self.last_use = now
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.address, timeout=timeout)
        try:
            self.connection.request(method, path, body, fields)
            if self.connection.sock is not None:
                self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            response = self.connection.getresponse()
            return response.status, response.headers, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            raise

    def json(self, method, path, body=None, expect=(200, 201, 202, 204)):
        """The decoded body of an answer whose status must be one of `expect`."""
        status, _, data = self.call(method, path, body)
        if status not in expect:
            raise RuntimeError(f"{method} {path}: {status} {data[:300]!r}")
        return json.loads(data) if data else None

    def add_account(self, user, password, imap, smtp, tls="implicit"):
        """Adds an account; its id."""
        auth = {"username": user, "password": password}
        server = {"host": "localhost", "tls": tls, "auth": auth}
        body = {"name": user, "email": f"{user}@test.invalid",
                "incoming": {"protocol": "imap", "port": imap, **server}}
        if smtp:
            body["outgoing"] = {"protocol": "smtp", "port": smtp, "host": "localhost",
                                "tls": "implicit", "auth": auth}
        return self.json("POST", "/v1/accounts", body)["id"]

    def mailboxes(self, account):
        """The mailboxes of an account by role, or by name where they have none."""
        items = self.json("GET", f"/v1/accounts/{account}/mailboxes?limit=500")["items"]
        return {item["role"] or item["name"]: item for item in items}

    def remove(self, account):
        """Removes an account and waits until it is gone."""
        self.json("DELETE", f"/v1/accounts/{account}")
        while self.call("GET", f"/v1/accounts/{account}")[0] != 404:
            time.sleep(0.05)

    def wait_synced(self, account, limit=120):
        """Waits until every mailbox is synced; the mailboxes."""
        end = time.monotonic() + limit
        while time.monotonic() < end:
            mailboxes = self.mailboxes(account)
            if mailboxes and all(m["syncState"] == "synced" or not m["isSelectable"]
                                 for m in mailboxes.values()):
                return mailboxes
            time.sleep(0.05)
        raise RuntimeError("the account did not become synced")

    def cpu(self):
        """User and system time of the process so far, in seconds."""
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def rss(self):
        """Resident memory of the process, in bytes."""
        return self._memory("VmRSS:")

    def peak(self):
        """The most that it was since the last `reset_peak`, by the kernel's own mark: no sample can miss it."""
        return self._memory("VmHWM:")

    def reset_peak(self):
        """Sets the kernel's mark to what is resident now."""
        with open(f"/proc/{self.pid}/clear_refs", "w") as file:
            file.write("5")

    def _memory(self, name):
        with open(f"/proc/{self.pid}/status") as file:
            for line in file:
                if line.startswith(name):
                    return int(line.split()[1]) * 1024
        raise RuntimeError(f"no {name}")

    def descriptors(self):
        """How many descriptors the process has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def percentile(values, part):
    """The value below which `part` of `values` lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]
