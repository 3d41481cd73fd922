-- Every table of mail begins its key with account_id, so that it can be partitioned or distributed by account.
-- Ids are numbers out of one sequence, taken in blocks of 1,000, so that a batch needs no round trip for them.
create sequence row_id increment by 1000 minvalue 1000;

-- One row: what is true of the whole installation.
create table installation (
  only_row boolean primary key default true check (only_row),
  -- Part of every feed token; a new epoch (after a restore from backup) makes every old token 410.
  feed_epoch bigint not null default (extract(epoch from clock_timestamp()) * 1000)::bigint
);
insert into installation default values;

create table account (
  id bigint primary key,
  name text not null,
  email text not null,
  mode text not null default 'online' check (mode in ('online', 'disconnected', 'offline')),
  incoming json not null,
  outgoing json,
  identities json not null,
  incoming_secret bytea,
  outgoing_secret bytea,
  state text not null default 'connecting',
  last_error json,
  last_sync_at timestamptz,
  first_synced_at timestamptz,
  capabilities text[] not null default '{}',
  -- The last number of the account's feed; whoever changes what a client sees adds to it last, before commit.
  seq bigint not null default 0,
  -- Changes at or below this one were forgotten: an older token is 410.
  oldest_seq bigint not null default 0,
  version bigint not null default 1,
  created_at timestamptz not null default now()
);

create table mailbox (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  parent_id bigint,
  name text not null,
  path text not null,
  encoded_name text not null,
  delimiter text,
  role text,
  is_subscribed boolean not null default true,
  is_selectable boolean not null default true,
  uid_validity bigint,
  uid_next bigint,
  highest_mod_seq bigint,
  -- The lowest UID that the first sync has reached: 1 when it is done, null before it began.
  synced_down_to bigint,
  total_messages bigint not null default 0,
  unread_messages bigint not null default 0,
  version bigint not null default 1,
  primary key (account_id, id),
  unique (account_id, encoded_name)
);

-- What never changes while a message lives. Columns of addresses, ids and parts hold JSON as the API writes
-- it, byte for byte: text, since nothing here looks into it and PostgreSQL would parse every value.
-- Neither this table nor placement refers to account by a key: the check of each row took a third of a
-- COPY. Store.mailTransaction makes sure of the account, Store.deleteAccount removes the rows.
create table message (
  account_id bigint not null,
  id bigint not null,
  thread_id bigint not null,
  identity bytea not null,
  size bigint not null,
  received_at timestamptz not null,
  sent_at timestamptz,
  subject text,
  from_addresses text,
  to_addresses text,
  cc_addresses text,
  bcc_addresses text,
  reply_to_addresses text,
  sender_addresses text,
  message_ids text,
  in_reply_to text,
  reference_ids text,
  -- What filters and orders read: "Name <address>", joined by commas.
  from_text text,
  to_text text,
  -- Without angle brackets.
  message_id text,
  -- The fields of the sync FETCH that threads and rules need, as they came.
  extra_fields text,
  has_attachment boolean not null,
  attachments text,
  body_structure text,
  -- The parts of body_structure that are shown, by their ids with commas between.
  text_body text,
  html_body text,
  preview text,
  blob_id bigint,
  version bigint not null default 1,
  primary key (account_id, id)
);
create index message_received on message (account_id, received_at desc, id desc);
create index message_thread on message (account_id, thread_id);
create index message_by_message_id on message (account_id, message_id) where message_id is not null;

-- A message in a mailbox; flags and keywords live here, with what a list sorts by.
create table placement (
  account_id bigint not null,
  mailbox_id bigint not null,
  message_id bigint not null,
  uid bigint,
  -- 0 the server has it, 1 local, 2 on its way to the server, 3 to be matched after UIDVALIDITY changed
  origin smallint not null default 0,
  -- In JMAP's form: $seen, $flagged, work.
  keywords text[] not null default '{}',
  is_seen boolean not null default false,
  is_deleted boolean not null default false,
  received_at timestamptz not null,
  primary key (account_id, mailbox_id, message_id)
);
create unique index placement_uid on placement (account_id, mailbox_id, uid) where uid is not null;
create index placement_message on placement (account_id, message_id);
-- What a merge matches by identity.
create index placement_waiting on placement (account_id, mailbox_id) where uid is null;
create index placement_page on placement
  (account_id, mailbox_id, received_at desc, coalesce(uid, 9223372036854775807) desc, message_id desc)
  where not is_deleted;
create index placement_unread on placement
  (account_id, mailbox_id, received_at desc, coalesce(uid, 9223372036854775807) desc, message_id desc)
  where not is_seen and not is_deleted;

-- Durable intents, written with the visible change and replayed to the server in their order.
create table operation (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  -- The order in which the intents were meant; given at the insert, under the account's lock.
  ordinal bigint generated always as identity,
  kind text not null check (kind in ('keywords', 'move', 'copy', 'delete', 'append')),
  message_id bigint not null,
  mailbox_id bigint not null,
  uid bigint,
  target_mailbox_id bigint,
  add_keywords text[] not null default '{}',
  remove_keywords text[] not null default '{}',
  blob_id bigint,
  state text not null default 'pending' check (state in ('pending', 'running', 'refused', 'conflict')),
  attempts integer not null default 0,
  last_error text,
  -- What to put back where the server refuses.
  previous_keywords text[],
  created_at timestamptz not null default now(),
  primary key (account_id, id)
);
create unique index operation_order on operation (account_id, ordinal);
create index operation_message on operation (account_id, message_id);

-- The one feed: all that a client can see changes in the transaction that appends here.
create table change (
  account_id bigint not null references account on delete cascade,
  seq bigint not null,
  xid xid8 not null default pg_current_xact_id(),
  -- message, mailbox, thread, submission, operation, job, account
  noun text not null,
  -- created, updated, destroyed
  action text not null,
  ids bigint[] not null,
  properties text[],
  at timestamptz not null default now(),
  primary key (account_id, seq)
);

-- Raw messages kept here, deflated a chunk at a time.
create table blob (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  digest bytea not null,
  size bigint not null,
  created_at timestamptz not null default now(),
  primary key (account_id, id)
);
create table blob_chunk (
  account_id bigint not null,
  blob_id bigint not null,
  position integer not null,
  data bytea not null,
  primary key (account_id, blob_id, position),
  foreign key (account_id, blob_id) references blob on delete cascade
);

create table submission (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  identity_id text,
  sender text not null,
  blob_id bigint not null,
  size bigint not null,
  message_id text,
  subject text,
  state text not null check (state in ('held', 'queued', 'sending', 'sent', 'failed', 'cancelled')),
  send_at timestamptz,
  undo_until timestamptz,
  next_attempt_at timestamptz not null default now(),
  attempts integer not null default 0,
  -- The message that gets \Answered when this one was sent.
  answers_message_id bigint,
  -- The draft that was sent: it goes when the copy in Sent is there.
  draft_message_id bigint,
  is_copy_filed boolean not null default false,
  last_error text,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  primary key (account_id, id)
);
create index submission_due on submission (next_attempt_at) where state in ('held', 'queued', 'sending');

create table submission_recipient (
  account_id bigint not null,
  submission_id bigint not null,
  position integer not null,
  address text not null,
  state text not null default 'pending' check (state in ('pending', 'accepted', 'refused', 'unknown')),
  reply_code integer,
  enhanced_status text,
  reply text,
  primary key (account_id, submission_id, position),
  foreign key (account_id, submission_id) references submission on delete cascade
);

-- Committed before DATA, so that a crash after it is seen and nothing is sent twice.
create table attempt (
  account_id bigint not null,
  submission_id bigint not null,
  number integer not null,
  started_at timestamptz not null default now(),
  -- Until then the server may still take the message.
  deadline timestamptz not null,
  ended_at timestamptz,
  -- Whether DATA was about to be sent: the recipients of an attempt that ends here are unknown.
  is_data_begun boolean not null default false,
  outcome text,
  response text,
  primary key (account_id, submission_id, number),
  foreign key (account_id, submission_id) references submission on delete cascade
);

create table token (
  id bigint primary key,
  name text,
  digest bytea not null unique,
  scopes text[] not null,
  accounts bigint[],
  expires_at timestamptz,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  is_revoked boolean not null default false
);

create table idempotency (
  token_id bigint not null references token on delete cascade,
  key text not null,
  fingerprint bytea not null,
  is_done boolean not null default false,
  status integer,
  content_type text,
  location text,
  body bytea,
  created_at timestamptz not null default now(),
  primary key (token_id, key)
);
create index idempotency_age on idempotency (created_at);

create table job (
  id bigint primary key,
  account_id bigint references account on delete cascade,
  kind text not null,
  state text not null check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
  done bigint not null default 0,
  total bigint,
  errors text[] not null default '{}',
  request json not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
