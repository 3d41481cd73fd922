-- Tables of their own, with one index each: a merge looks into them by keys before there are any statistics, and where
-- PostgreSQL had a choice of indexes that begin with account_id, it could read all of an account for every key.

-- Message-IDs, of messages here and of those that they name, by their digest.
create table thread_key (
  account_id bigint not null,
  key bigint not null,
  thread_id bigint not null,
  primary key (account_id, key)
);
insert into thread_key (account_id, key, thread_id)
select account_id,
  ('x' || encode(substring(sha256(convert_to(message_id, 'UTF8')) for 8), 'hex'))::bit(64)::bigint,
  thread_id
from message where message_id is not null
on conflict do nothing;

-- Threads that became part of another when a message came that joins them.
create table thread_alias (
  account_id bigint not null,
  id bigint not null,
  thread_id bigint not null,
  primary key (account_id, id)
);

-- Base subjects, by their digest, of messages that name no other.
create table thread_subject (
  account_id bigint not null,
  key bigint not null,
  received_at timestamptz not null,
  message_id bigint not null,
  thread_id bigint not null,
  primary key (account_id, key, received_at, message_id)
);
-- Those of them whose subject says that they answer or forward something.
create table thread_answer (
  account_id bigint not null,
  key bigint not null,
  received_at timestamptz not null,
  message_id bigint not null,
  thread_id bigint not null,
  primary key (account_id, key, received_at, message_id)
);

-- A Message-ID is found by thread_key, at a tenth of the size.
drop index message_by_message_id;
-- The messages of a thread, and its newest one.
drop index message_thread;
create index message_thread on message (account_id, thread_id, received_at, id);
