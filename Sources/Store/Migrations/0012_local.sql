-- Mailboxes that are kept here and nowhere else: what is done in them is final at once.
alter table mailbox add column is_local boolean not null default false;

-- How many bytes of raw messages an account has here, and how many it may have in its local mailboxes; null is the service's
-- own limit. The count is kept by whoever stores a message with its blob or destroys it: a sum would read every blob.
alter table account add column kept_bytes bigint not null default 0;
alter table account add column quota_bytes bigint check (quota_bytes >= 0);
update account a set kept_bytes = coalesce((select sum(b.size) from message m
  join blob b on b.account_id = m.account_id and b.id = m.blob_id where m.account_id = a.id), 0);
