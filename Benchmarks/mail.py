"""Dovecot and Postfix as the tests run them, full of sample mail."""

import glob
import os
import smtplib
import subprocess

import processes

DOMAIN = "test.invalid"


class Mail:
    """One run of `backends`: users ada, bob and carol, and whom `add_users` adds."""

    def __init__(self, programs, folder, messages, attachment=None):
        """Starts the servers with so many messages in ada's inbox."""
        os.makedirs(folder)
        ports = f"{folder}/ports"
        command = [f"{programs}/backends", ports, "--messages", str(messages)]
        if attachment:
            command += ["--attachment", str(attachment)]
        self.process = processes.start(command, f"{folder}/backends.log")
        processes.wait_until(lambda: self._is_ready(ports), f"{folder}/backends.log", 240)
        with open(ports) as file:
            values = dict(line.strip().split("=", 1) for line in file if "=" in line)
        self.imap_port, self.imaps_port = int(values["IMAP_PORT"]), int(values["IMAPS_PORT"])
        self.pop3_port, self.smtps_port = int(values["POP3_PORT"]), int(values["SMTPS_PORT"])
        self.ca_file, self.password = values["CA_FILE"], values["PASSWORD"]
        self.folder = os.path.dirname(values["DOVECOT_LOG"])
        self.configuration = f"{self.folder}/dovecot.conf"

    def _is_ready(self, ports):
        if self.process.poll() is not None:
            raise RuntimeError("backends has ended")
        return os.path.exists(ports) and os.path.getsize(ports) > 0

    def stop(self):
        processes.stop(self.process)

    @property
    def lmtp_port(self):
        return int(subprocess.run(
            ["doveconf", "-c", self.configuration, "-h", "service/lmtp/inet_listener/lmtp/port"],
            check=True, capture_output=True, text=True).stdout)

    # MARK: users and their mailboxes

    def add_users(self, names):
        """Adds users with the password of all; Dovecot sees them after a second at the latest."""
        path = f"{self.folder}/users"
        with open(path) as file:
            text = file.read()
        text += "".join(f"{name}@{DOMAIN}:{{PLAIN}}{self.password}::::::\n" for name in names)
        with open(f"{path}.new", "w") as file:
            file.write(text)
        os.rename(f"{path}.new", path)

    def maildir(self, user, mailbox="INBOX"):
        """The folder of a mailbox; the name must be ASCII without dots."""
        root = f"{self.folder}/mail/{user}@{DOMAIN}/maildir"
        return root if mailbox == "INBOX" else f"{root}/.{mailbox}"

    def messages(self, user, mailbox="INBOX"):
        """The files of a mailbox's messages, from old to new."""
        def number(path):
            return int(os.path.basename(path).split(".M")[1].split("R")[0])
        return sorted(glob.glob(f"{self.maildir(user, mailbox)}/cur/*"), key=number)

    def link(self, files, user, mailbox="INBOX"):
        """Makes a mailbox of messages that are another's too: names for the same files."""
        folder = self.maildir(user, mailbox)
        for name in ("cur", "new", "tmp"):
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        if mailbox != "INBOX":
            open(f"{folder}/maildirfolder", "w").close()
        for file in files:
            os.link(file, f"{folder}/cur/{os.path.basename(file)}")

    def give_away(self, user):
        """Hands what `link` made to the user who owns mail; without root that is us already."""
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "65534:65534", f"{self.folder}/mail/{user}@{DOMAIN}"],
                           check=True)

    def chill(self, user):
        """Makes Dovecot cold: its indexes and caches of a user's mail go, and with them all that it ever parsed.

        The UIDs stay, and the files of the messages stay in the kernel's memory.
        """
        for path in glob.glob(f"{self.maildir(user)}/**/dovecot.index*", recursive=True,
                              include_hidden=True):
            os.remove(path)

    # MARK: the server

    def reconfigure(self, lines):
        """Adds lines to Dovecot's configuration, and has it read again."""
        with open(self.configuration, "a") as file:
            file.write(lines + "\n")
        subprocess.run(["doveadm", "-c", self.configuration, "reload"], check=True)

    def delivery(self):
        """A session of LMTP."""
        return smtplib.LMTP("127.0.0.1", self.lmtp_port)
