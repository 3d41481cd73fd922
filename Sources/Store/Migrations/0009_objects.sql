-- What the server says that a message is, in whichever mailboxes (RFC 8474 EMAILID, or Gmail's message id); null where it has
-- no such thing, and of messages that were synced before this was asked for.
alter table message add column email_id text;
-- A pass asks which messages are hidden: few are, and it must not read all of them to find out.
create index placement_deleted on placement (account_id, mailbox_id) where is_deleted;
