-- The ids of a batch are many numbers: to compress them took PostgreSQL longer than to store them as they are.
alter table change alter column ids set storage external;
-- A first sync goes down through the UIDs: so each new one stands behind the last of its page.
drop index placement_uid;
create unique index placement_uid on placement (account_id, mailbox_id, uid desc) where uid is not null;
-- One index for where a message is and whether it is in a certain mailbox, in place of two. What a mailbox has is found
-- by its dates and its UIDs.
alter table placement drop constraint placement_pkey, add primary key (account_id, message_id, mailbox_id);
drop index placement_message;

-- The senders of an account's messages, each once: a part of one is looked for among them, and messages by the senders found.
-- Trigrams of each message's sender were a sixth of all indexing; senders come again and again.
create table search_sender (
  account_id bigint not null,
  -- Of the text, by which the index of messages has it.
  digest bigint not null,
  from_text text not null,
  primary key (account_id, digest)
);
create index search_sender_part on search_sender using gin (account_id, from_text gin_trgm_ops);
insert into search_sender (account_id, digest, from_text)
select account_id, hashtextextended(from_text, 0), min(from_text) from message_search group by 1, 2;
drop index message_search_from;
create index message_search_sender on message_search
  (account_id, hashtextextended(from_text, 0), received_at desc, message_id desc);
