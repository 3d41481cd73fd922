-- Sieve scripts of accounts. Where an account has a ManageSieve server they are there, and here stands only which id each name has.
create table script (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  name text not null,
  -- Null where the server has it.
  content bytea,
  is_active boolean not null default false,
  -- Since when it is: mail that came before is none of its business.
  activated_at timestamptz not null default now(),
  primary key (account_id, id)
);
create unique index script_name on script (account_id, name);
create unique index script_active on script (account_id) where is_active;

-- What scripts have seen, so that they know it again (RFC 7352 §3).
create table script_mark (
  account_id bigint not null references account on delete cascade,
  -- SHA-256 of the handle and the value.
  digest bytea not null,
  until timestamptz not null,
  primary key (account_id, digest)
);
create index script_mark_age on script_mark (account_id, until);

-- The log of rules has scripts too: then the id is that of the script.
alter table rule_match add column is_script boolean not null default false;
