-- Set where the server may have messages that are not known here though as many are known as it has.
alter table mailbox add column is_unsure boolean not null default false;
