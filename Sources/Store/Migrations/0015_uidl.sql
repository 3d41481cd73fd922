-- What an account has had from its POP3 server. It outlives the messages: what is deleted or moved here does not come back.
-- Whoever deletes the account deletes its rows: a foreign key would look the account up for each.
create table uidl (
  account_id bigint not null,
  -- As the server spells it; of a message that has none, a zero byte and the digest of the content.
  uidl bytea not null,
  -- Which of the messages that had this id, from 1 on.
  ordinal integer not null,
  -- 0 is here; 1 came without its end, and is fetched again; 2 did so twice, and is never deleted there; 3 was deleted there by us.
  state smallint not null,
  -- What it became, which may be gone.
  message_id bigint not null,
  -- Of the content, and of the header alone where no other message can have the same: what it is known by where ids are no help.
  digest bytea not null,
  header_digest bytea,
  retrieved_at timestamptz not null default now(),
  -- Since when the server no longer lists it.
  gone_at timestamptz,
  primary key (account_id, uidl, ordinal)
);
