-- Rules of an account, in the order of their positions.
create table rule (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  position integer not null,
  name text not null,
  is_enabled boolean not null,
  -- Since when it is: mail that came before is none of its business.
  enabled_at timestamptz not null default now(),
  -- delivery, stored
  trigger text not null,
  -- Condition and actions, as the API reads them.
  definition json not null,
  version bigint not null default 1,
  created_at timestamptz not null default now(),
  primary key (account_id, id)
);

-- Addresses and domains that rules name together.
create table address_list (
  account_id bigint not null references account on delete cascade,
  id bigint not null,
  name text not null,
  entries text[] not null,
  version bigint not null default 1,
  primary key (account_id, id)
);

-- New messages that the rules of their account have yet to look at: written with the message, and taken away in the transaction
-- that does what the rules want.
create table rule_arrival (
  account_id bigint not null references account on delete cascade,
  message_id bigint not null,
  at timestamptz not null default now(),
  -- The envelope it came in; null where no envelope is known.
  envelope_from text,
  envelope_to text,
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default now(),
  primary key (account_id, message_id)
);
create index rule_arrival_due on rule_arrival (next_attempt_at);

-- Which rules matched a message, and what was done.
create table rule_match (
  account_id bigint not null references account on delete cascade,
  message_id bigint not null,
  ordinal bigint generated always as identity,
  rule_id bigint not null,
  rule_name text not null,
  -- delivery, or the job that ran the rules
  job_id bigint,
  actions json not null,
  at timestamptz not null default now(),
  primary key (account_id, message_id, ordinal)
);
create index rule_match_age on rule_match (account_id, at);

-- Whom rules have answered, so that nobody is answered again and again (RFC 5230 §4.2).
create table rule_reply (
  account_id bigint not null references account on delete cascade,
  -- What tells one reply from another.
  tracking text not null,
  -- In lower case.
  address text not null,
  until timestamptz not null,
  primary key (account_id, tracking, address)
);
create index rule_reply_age on rule_reply (until);

-- What messages were before a job that runs rules changed them, so that it can be undone.
create table rule_undo (
  account_id bigint not null references account on delete cascade,
  job_id bigint not null,
  message_id bigint not null,
  mailboxes bigint[] not null,
  -- The keywords that it got, and those that it lost.
  added text[] not null,
  removed text[] not null,
  primary key (account_id, job_id, message_id)
);

-- What a job came to, as JSON; null where there is nothing to tell.
alter table job add column result json;
