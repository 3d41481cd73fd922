"""Mailboxes too large to be synced within a benchmark, written into the service's own tables by SQL.

The rows are those of 10,000 messages that the service itself synced, over and over, each with an id, an
identity, a UID and a date of its own. They belong to an account whose server does not answer, so that no sync
touches them. Threads are not copied: every message is a thread.
"""

# Nothing listens at this port.
CLOSED_PORT = 1


def seed(service, database, name, count, texts=None):
    """A new account whose inbox holds `count` copies of what the first account's inbox holds.

    Its id, and the path of the list of its inbox. `texts` gives each copy another name, address and
    subject; then the feed tells of all of them, so that the service's own indexer makes them searchable.
    """
    account = service.add_account(name, "-", CLOSED_PORT, None)
    parts = [BEGIN.format(count=count)]
    if texts:
        parts += [TEXTS, *("\t".join(map(str, row)) for row in texts), "\\."]
        parts += [ALTER]
    parts += [COPY]
    if texts:
        parts += [FEED]
    database.script("\n".join(parts) + "\ncommit;\nvacuum analyze;\n")
    inbox = service.mailboxes(account)["inbox"]
    if inbox["totalMessages"] != count:
        raise RuntimeError(f"{inbox['totalMessages']} messages were seeded")
    return account, f"/v1/accounts/{account}/messages?mailbox={inbox['id']}&limit=50"


# The new account is the one with the highest id. Ids come from the sequence in blocks, as the service takes
# them; those of messages ascend with their dates.
BEGIN = """
begin;
create temp table target on commit drop as
  select max(id) as account_id, nextval('row_id') - 999 as mailbox_id from account;
create temp table template on commit drop as
  select row_number() over (order by m.received_at, m.id) - 1 as place, m.*, p.keywords, p.is_seen
  from mailbox b join placement p on p.account_id = b.account_id and p.mailbox_id = b.id
    join message m on m.account_id = p.account_id and m.id = p.message_id
  where b.role = 'inbox' and b.account_id = (select min(id) from account);
create temp table copy on commit drop as
  select n, block.last - 999 + n % 1000 as copy_id,
    timestamptz '2020-01-01' + n * interval '1 minute' as copy_received_at, t.*
  from generate_series(0, {count} - 1) as n
    join (select row_number() over () - 1 as number, last
          from (select nextval('row_id') as last from generate_series(1, {count} / 1000 + 1)) as s
         ) as block on block.number = n / 1000
    join template t on t.place = n % (select count(*) from template);
"""

TEXTS = """
create temp table texts (n bigint, name text, email text, subject text) on commit drop;
copy texts from stdin;"""

ALTER = """
update copy c set subject = t.subject, from_text = t.name || ' <' || t.email || '>',
  from_addresses = json_build_array(json_build_object('name', t.name, 'email', t.email))
from texts t where t.n = c.n;
"""

COPY = """
insert into mailbox (account_id, id, name, path, encoded_name, delimiter, role, uid_validity,
  uid_next, synced_down_to, total_messages, unread_messages)
select account_id, mailbox_id, 'INBOX', 'INBOX', 'INBOX', '/', 'inbox', 1,
  (select count(*) + 1 from copy), 1, (select count(*) from copy),
  (select count(*) from copy where not is_seen)
from target;
insert into message (account_id, id, thread_id, identity, size, received_at, sent_at, subject,
  from_addresses, to_addresses, cc_addresses, bcc_addresses, reply_to_addresses, sender_addresses,
  message_ids, in_reply_to, reference_ids, from_text, to_text, message_id, extra_fields,
  has_attachment, attachments, body_structure, text_body, html_body, preview)
select t.account_id, copy_id, copy_id, sha256(int8send(copy_id)), size, copy_received_at,
  copy_received_at, subject, from_addresses, to_addresses, cc_addresses, bcc_addresses,
  reply_to_addresses, sender_addresses, message_ids, in_reply_to, reference_ids, from_text, to_text,
  message_id, extra_fields, has_attachment, attachments, body_structure, text_body, html_body, preview
from copy c, target t order by n;
insert into placement (account_id, mailbox_id, message_id, uid, keywords, is_seen, received_at)
select t.account_id, t.mailbox_id, copy_id, n + 1, keywords, is_seen, copy_received_at
from copy c, target t order by n;
"""

FEED = """
insert into change (account_id, seq, noun, action, ids)
select t.account_id, t.seq + row_number() over (order by c.part), 'message', 'created', c.ids
from (select n / 1000 as part, array_agg(copy_id order by n) as ids from copy group by 1) as c,
  (select id as account_id, seq from account where id = (select account_id from target)) as t;
update account set seq = (select max(seq) from change where account_id = account.id)
where id = (select account_id from target);
"""
