"""First syncs, timed from outside."""

import time


def first_sync(service, mail, messages, tls="none", user="ada"):
    """The account, seconds to the first page, seconds to the last message, CPU seconds.

    The clock starts with the POST, so connecting, login and the list of mailboxes are part of it.
    """
    cpu, start = service.cpu(), time.monotonic()
    account = add_account(service, mail, user, tls)
    page = f"/v1/accounts/{account}/messages?mailbox=inbox&limit=50&fields=id"
    first = None
    while (now := time.monotonic() - start) < 300:
        if first is None:
            status, _, body = service.call("GET", page)
            if status == 200 and body.count(b'"id"') == 50:
                first = now
            time.sleep(0.005)
            continue
        inbox = service.mailboxes(account)["inbox"]
        if inbox["totalMessages"] == messages and inbox["syncState"] == "synced":
            return account, first, time.monotonic() - start, service.cpu() - cpu
        # Long before its end a long sync is looked at less often: each look costs what is measured.
        is_near = inbox["totalMessages"] > messages * 0.9
        time.sleep(0.01 if messages <= 10_000 else 0.03 if is_near else 0.2)
    raise RuntimeError("the first sync takes more than five minutes")


def add_account(service, mail, user, tls="implicit"):
    """An account of one of Dovecot's users."""
    port = mail.imap_port if tls == "none" else mail.imaps_port
    return service.add_account(user, mail.password, port, None, tls)


def synced_inbox(service, mail):
    """Ada's account, synced, and the path of the list of her inbox."""
    account = add_account(service, mail, "ada")
    inbox = service.wait_synced(account)["inbox"]["id"]
    return account, f"/v1/accounts/{account}/messages?mailbox={inbox}&limit=50"
