-- Messages that appeared while an equal one was there: a client that moves without MOVE copies first. When
-- the older one goes soon after, the copy takes its id.
create table message_copy (
  account_id bigint not null references account on delete cascade,
  identity bytea not null,
  message_id bigint not null,
  -- Which of equal messages came later.
  ordinal bigint generated always as identity,
  at timestamptz not null default now(),
  primary key (account_id, identity, message_id)
);
create index message_copy_age on message_copy (account_id, at);

-- MAILBOXID (RFC 8474), by which a mailbox is known that another client renames.
alter table mailbox add column object_id text;
