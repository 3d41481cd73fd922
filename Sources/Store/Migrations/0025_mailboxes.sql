-- Mailboxes of a server are made, renamed and deleted by intents too, which are of no message.
alter table operation alter column message_id drop not null,
  -- What the mailbox is to be called, and below which one it is to stand.
  add column mailbox_name text,
  add column parent_id bigint,
  -- What to put back where the server refuses.
  add column previous_name text,
  add column previous_parent_id bigint,
  -- Of a deletion, after which there is no row of the mailbox: its name on the server, and from which UID on nothing was known.
  add column encoded_name text,
  add column uid_next bigint,
  add column is_permanent boolean not null default false;
alter table operation drop constraint operation_kind_check,
  add constraint operation_kind_check check (
    (message_id is null) = (kind in ('createMailbox', 'renameMailbox', 'deleteMailbox',
      'subscribeMailbox', 'unsubscribeMailbox'))
    and kind in ('keywords', 'move', 'copy', 'delete', 'append', 'release', 'replace', 'createMailbox',
      'renameMailbox', 'deleteMailbox', 'subscribeMailbox', 'unsubscribeMailbox'));
create index operation_mailbox on operation (account_id, mailbox_id) where message_id is null;
-- Whether the message was deleted here, and the server did not have it any more where that was to be done.
alter table tombstone add column is_deletion boolean not null default false;
