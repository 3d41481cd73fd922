"""What the figures are measured on: mail servers, and a service with a database of its own for each group."""

import os
import shutil
import time

import processes
from database import Database
from mail import Mail
from service import Service

MESSAGES = 10_000
ATTACHMENT = 50_000_000


class Stack:
    """Starts what a group of figures asks for, and ends all of it."""

    def __init__(self, programs, folder, listen):
        self.programs, self.folder, self.listen = programs, folder, listen
        self.rounds = int(os.environ.get("BENCH_ROUNDS", "3"))
        self.mails, self.process, self.data = {}, None, None

    @property
    def mail(self):
        """The usual mail server: 10,000 messages in ada's inbox, 50 MB in her archive."""
        return self._mail("mail", MESSAGES, ATTACHMENT)

    @property
    def large_mail(self):
        """Another one, with 100,000 messages in ada's inbox."""
        return self._mail("large-mail", 100_000)

    def _mail(self, name, *arguments):
        if name not in self.mails:
            self.mails[name] = Mail(self.programs, f"{self.folder}/{name}", *arguments)
        return self.mails[name]

    def serve(self, mail, prefix=(), arguments=()):
        """A service on an empty database, in place of the one before; without `mail` it connects to no server."""
        self.stop_service()
        self.data = f"{self.folder}/service"
        shutil.rmtree(self.data, ignore_errors=True)
        authorities = ["--ca-file", mail.ca_file] if mail else []
        self.command = [f"{self.programs}/restante", "serve", *authorities, "--data", self.data,
                        "--listen", self.listen,
                        "--allow-network", "127.0.0.0/8", *arguments]
        return self.start_service(prefix)

    def start_service(self, prefix=()):
        """Starts the service on the data that are there, and waits until it is ready."""
        self.process = processes.start([*prefix, *self.command], f"{self.folder}/restante.log")
        service = Service(f"http://{self.listen}", "", self.process.pid)
        processes.wait_until(lambda: self._is_ready(service), f"{self.folder}/restante.log",
                             interval=0.002)
        with open(f"{self.data}/admin.token") as file:
            service.token = file.read().strip()
        return service

    def _is_ready(self, service):
        if self.process.poll() is not None:
            raise RuntimeError(f"the service has ended, see {self.folder}/restante.log")
        try:
            return service.call("GET", "/readyz")[0] == 200
        except OSError:
            return False

    def stop_service(self):
        """Seconds in which the service ends, and its PostgreSQL with it."""
        start = time.monotonic()
        if self.process:
            processes.stop(self.process)
        self.process = None
        return time.monotonic() - start

    def database(self):
        """The database of the service that runs."""
        return Database(self.data)

    def close(self):
        self.stop_service()
        for mail in self.mails.values():
            mail.stop()
