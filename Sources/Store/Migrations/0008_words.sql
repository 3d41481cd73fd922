-- The words of an account's index, each once: a part of a text is looked for among them, and messages by the words found.
-- A trigram index over the texts of messages themselves cost half of all indexing; words come again and again.
create table search_word (
  account_id bigint not null,
  word text not null,
  primary key (account_id, word)
);
create index search_word_part on search_word using gin (account_id, word gin_trgm_ops);
drop index message_search_rest;
insert into search_word (account_id, word)
select distinct s.account_id, w.word
from message_search s cross join lateral unnest(tsvector_to_array(s.words)) as w (word);

-- The header and the text of what is kept here, for searches; null until the indexer has read it.
alter table blob add column header text;
alter table blob add column body text;
create index blob_unread on blob (account_id, id) where body is null;
create index message_blob on message (account_id, blob_id) where blob_id is not null;

-- Threads that lost their last message: what is known of them goes when no tombstone can bring it back.
create table dead_thread (
  account_id bigint not null,
  thread_id bigint not null,
  at timestamptz not null default now(),
  primary key (account_id, thread_id)
);
