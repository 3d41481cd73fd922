"""An IMAP client that reads as fast as it can and understands next to nothing."""

import socket
import ssl
import time

# The items of the sync FETCH, as Sources/MailTransport/IMAP/Fetch.swift sends them.
SYNC_FETCH = (
    "UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE "
    "BODY.PEEK[HEADER.FIELDS (REFERENCES LIST-ID LIST-UNSUBSCRIBE AUTO-SUBMITTED PRECEDENCE "
    "X-PRIORITY IMPORTANCE SENSITIVITY REPLY-TO)])")


class IMAP:
    """One session, in clear text or over TLS."""

    def __init__(self, mail, user, tls=False):
        port = mail.imaps_port if tls else mail.imap_port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl.create_default_context(cafile=mail.ca_file)
            self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = bytearray(1 << 18)
        self.number = 0
        self.socket.recv(4096)
        self.command(f'LOGIN {user} "{mail.password}"')

    def command(self, text, collect=None):
        """Sends one command and reads to its end; how many bytes came."""
        self.number += 1
        tag = b"a%d" % self.number
        self.socket.sendall(tag + b" " + text.encode() + b"\r\n")
        return self.finish(tag, collect)

    def finish(self, tag, collect=None):
        """Reads until the tagged answer; how many bytes came."""
        tail, total = b"", 0
        while True:
            count = self.socket.recv_into(self.buffer)
            if not count:
                raise RuntimeError("the server closed the connection")
            total += count
            if collect is not None:
                collect += self.buffer[:count]
            tail = (tail + self.buffer[max(0, count - 4096):count])[-4096:]
            if tail.endswith(b"\r\n"):
                last = tail[:-2].rpartition(b"\r\n")[2]
                if last.startswith(tag + b" "):
                    if not last.startswith(tag + b" OK"):
                        raise RuntimeError(last.decode())
                    return total

    def begin_idle(self):
        """Enters IDLE; whatever comes then is read from `socket` by the caller."""
        self.socket.sendall(b"i IDLE\r\n")
        if not self.socket.recv(4096).startswith(b"+"):
            raise RuntimeError("no IDLE")

    def close(self):
        """Says goodbye."""
        self.socket.sendall(b"z LOGOUT\r\n")
        self.socket.close()


def drain(mail, user, tls=False, mailbox="INBOX"):
    """Seconds in which the sync FETCH is read and thrown away, and its bytes."""
    session = IMAP(mail, user, tls)
    session.command(f"SELECT {mailbox}")
    start = time.monotonic()
    size = session.command(SYNC_FETCH)
    elapsed = time.monotonic() - start
    session.close()
    return elapsed, size
