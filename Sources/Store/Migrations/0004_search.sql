-- Both come with PostgreSQL, and the owner of a database may install them.
create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- What searches look into, filled behind the sync: a message that is not here yet is not found by its text.
-- Apart from message, so that a first sync pays for no index and a search reads narrow rows.
create table message_search (
  account_id bigint not null,
  message_id bigint not null,
  received_at timestamptz not null,
  -- In lower case.
  from_text text not null,
  -- Recipients, subject, names of attachments and List-Id, a line each: narrows what the columns of message then decide.
  rest_text text not null,
  -- Words of the same and of the sender and the preview.
  words tsvector not null,
  primary key (account_id, message_id)
);
create index message_search_date on message_search (account_id, received_at desc, message_id desc);
-- The pending lists are large, so that a first sync is indexed in few merges; the indexer empties them when it is done.
create index message_search_from on message_search
  using gin (account_id, from_text gin_trgm_ops) with (gin_pending_list_limit = 16384);
create index message_search_rest on message_search
  using gin (account_id, rest_text gin_trgm_ops) with (gin_pending_list_limit = 16384);
create index message_search_words on message_search
  using gin (account_id, words) with (gin_pending_list_limit = 16384);

-- How far the indexer has followed the feed of all accounts.
create table search_progress (
  only_row boolean primary key default true check (only_row),
  xid xid8 not null default '0',
  account_id bigint not null default 0,
  seq bigint not null default 0
);
insert into search_progress default values;
