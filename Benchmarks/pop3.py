"""A POP3 client that retrieves as fast as it can and understands next to nothing."""

import socket
import time


class POP3:
    """One session in clear text."""

    def __init__(self, mail, user):
        self.socket = socket.create_connection(("127.0.0.1", mail.pop3_port), timeout=120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray(1 << 18)
        self.socket.recv(4096)
        self.command(f"USER {user}")
        self.command(f"PASS {mail.password}")

    def command(self, text):
        """Sends a command that is answered by one line, and returns that."""
        self.socket.sendall(text.encode() + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self._receive()
        if not answer.startswith(b"+OK"):
            raise RuntimeError(answer.decode())
        return answer.decode()

    def listing(self, text):
        """Sends a command that is answered by many lines; how many bytes came."""
        self.socket.sendall(text.encode() + b"\r\n")
        return self._finish(1)

    def retrieve(self, count, window):
        """Retrieves messages 1 to `count`, so many of them under way; how many bytes came."""
        commands = [b"RETR %d\r\n" % number for number in range(1, count + 1)]
        sent = min(window, count)
        self.socket.sendall(b"".join(commands[:sent]))
        return self._finish(count, commands, sent)

    def _finish(self, count, commands=(), sent=0):
        """Reads the dots that end so many answers, and sends a command for each that came."""
        tail, total, ended = b"", 0, 0
        while ended < count:
            chunk = self._receive()
            total += len(chunk)
            # The end may lie across two reads: four bytes of the last one are looked at again.
            text = tail + chunk
            dots = text.count(b"\r\n.\r\n")
            tail = text[-4:]
            ended += dots
            if dots and sent < len(commands):
                self.socket.sendall(b"".join(commands[sent:sent + dots]))
                sent += dots
        return total

    def _receive(self):
        count = self.socket.recv_into(self.buffer)
        if not count:
            raise RuntimeError("the server closed the connection")
        return bytes(memoryview(self.buffer)[:count])

    def close(self):
        """Says goodbye."""
        self.socket.sendall(b"QUIT\r\n")
        self.socket.close()


def drain(mail, user, count, window=64):
    """Seconds in which `count` messages are retrieved and thrown away, and their bytes.

    With a window of 64 it is what a server that pipelines can do, with one what any other can.
    """
    session = POP3(mail, user)
    session.listing("UIDL")
    start = time.monotonic()
    size = session.retrieve(count, window)
    elapsed = time.monotonic() - start
    session.close()
    return elapsed, size
