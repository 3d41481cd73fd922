"""A relay before Dovecot that tells when an untagged answer was handed to the service's socket.

It runs in a process of its own, so that it never waits for the interpreter of the benchmark. Whatever comes
from one side goes to the other as it is. Where the server tells that a mailbox changed, the time is taken
just before that is passed on, by the clock that all processes share.
"""

import multiprocessing
import re
import selectors
import socket
import time

TELLS = re.compile(rb"^\* (\d+ (EXISTS|FETCH|EXPUNGE)|STATUS|VANISHED)", re.MULTILINE)


class Tap:
    """A port for each name, and what was told through it."""

    def __init__(self, port, names):
        listeners = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
        self.ports = {name: listener.getsockname()[1] for name, listener in listeners.items()}
        self.told, sender = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(
            target=relay, args=(listeners, port, sender), daemon=True)
        self.process.start()
        for listener in listeners.values():
            listener.close()

    def moments(self):
        """What was told since the last call: pairs of a name and a time."""
        found = []
        while self.told.poll():
            found.append(self.told.recv())
        return found

    def close(self):
        self.process.terminate()
        self.process.join()


def relay(listeners, port, sender):
    """Accepts, connects and passes on, until the process is ended."""
    selector = selectors.DefaultSelector()
    for name, listener in listeners.items():
        selector.register(listener, selectors.EVENT_READ, (name, None, False))
    while True:
        for key, _ in selector.select():
            name, other, is_server = key.data
            if other is None:
                client, _ = key.fileobj.accept()
                server = socket.create_connection(("127.0.0.1", port))
                for end in (client, server):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(client, selectors.EVENT_READ, (name, server, False))
                selector.register(server, selectors.EVENT_READ, (name, client, True))
            elif not pass_on(key.fileobj, other, name if is_server else None, sender):
                for end in (key.fileobj, other):
                    if end.fileno() >= 0:
                        selector.unregister(end)
                        end.close()


def pass_on(source, target, name, sender):
    """Moves what has come; false where one side has ended."""
    try:
        data = source.recv(1 << 16)
        now = time.monotonic()
        target.sendall(data)
    except OSError:
        return False
    if name and TELLS.search(data):
        sender.send((name, now))
    return bool(data)
