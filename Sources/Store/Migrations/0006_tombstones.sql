-- Messages that vanished in the last days: one that appears again, or in another mailbox, gets its id back.
create table tombstone (
  account_id bigint not null references account on delete cascade,
  identity bytea not null,
  message_id bigint not null,
  received_at timestamptz not null,
  at timestamptz not null default now(),
  primary key (account_id, identity, message_id)
);
create index tombstone_age on tombstone (account_id, at);
