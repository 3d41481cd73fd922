-- What readers across accounts walk: whole transactions in an order that no later commit can come before.
create index change_order on change (xid, account_id, seq);

-- The newest transaction of which the feed has forgotten changes: a position before it is too old to resume from.
alter table installation add column feed_forgotten_xid xid8 not null default '0';
