"""A subscriber of /v1/events, and clients that wait in IDLE without a service between."""

import json
import re
import selectors
import socket
import threading
import time

from imap import IMAP

DATA = re.compile(rb"^data: (\{.*\})\r?$", re.MULTILINE)


class Listeners(threading.Thread):
    """Notes when each of them is told of something: one thread for all, which does nothing else."""

    def __init__(self, service, mail, users):
        """`users` are the names by account."""
        super().__init__(daemon=True)
        self.users, self.events, self.bare, self.over = users, [], [], threading.Event()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self._subscribe(service), selectors.EVENT_READ, None)
        self.sessions = []
        for user in users.values():
            session = IMAP(mail, user)
            session.command("SELECT INBOX")
            session.begin_idle()
            self.selector.register(session.socket, selectors.EVENT_READ, user)
            self.sessions.append(session)
        self.rest = b""

    def _subscribe(self, service):
        host, port = service.address.split(":")
        connection = socket.create_connection((host, int(port)))
        connection.sendall(f"GET /v1/events?types=messages HTTP/1.1\r\nHost: {service.address}\r\n"
                           f"Authorization: Bearer {service.token}\r\n\r\n".encode())
        if b" 200 " not in connection.recv(4096):
            raise RuntimeError("no stream of events")
        return connection

    def run(self):
        while not self.over.is_set():
            for key, _ in self.selector.select(0.2):
                data, now = key.fileobj.recv(1 << 16), time.monotonic()
                if not data:
                    self.selector.unregister(key.fileobj)
                elif key.data is None:
                    self._note_events(data, now)
                elif b"EXISTS" in data:
                    self.bare.append((key.data, now))

    def _note_events(self, data, now):
        lines, _, self.rest = (self.rest + data).rpartition(b"\n")
        for found in DATA.findall(lines):
            event = json.loads(found)
            if event["messages"]["created"]:
                self.events.append((self.users[event["accountId"]], now))

    def close(self):
        self.over.set()
        self.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
