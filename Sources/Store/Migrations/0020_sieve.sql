-- Where an account's scripts can be put by ManageSieve; null where they cannot.
alter table account add column sieve json;
-- Sealed; null where one logs in as to the incoming server.
alter table account add column sieve_secret bytea;
-- What scripts may require there; null before the server was asked.
alter table account add column sieve_extensions text[];

-- What is to be done at the ManageSieve server of an account, and what was.
create table script_server (
  account_id bigint primary key references account on delete cascade,
  -- When it is looked at next, how often that failed by now, and why.
  look_at timestamptz not null default now(),
  attempts integer not null default 0,
  last_error json,
  -- Whether a script there runs the rules; else the service does.
  runs_rules boolean not null default false,
  -- Of the moment when that changed: mail of the inbox below this UID is left to who ran the rules before.
  uid_validity bigint,
  first_uid bigint,
  -- Of the script that is there from us; null where none is known to be.
  checksum text,
  published_at timestamptz
);
create index script_server_due on script_server (look_at);
