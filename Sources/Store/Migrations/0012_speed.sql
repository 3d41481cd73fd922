-- The ids of a batch are many numbers: to compress them took PostgreSQL longer than to store them as they are.
alter table change alter column ids set storage external;
-- A first sync goes down through the UIDs: so each new one stands behind the last of its page.
drop index placement_uid;
create unique index placement_uid on placement (account_id, mailbox_id, uid desc) where uid is not null;
-- One index for where a message is and whether it is in a certain mailbox, in place of two. What a mailbox has is found
-- by its dates and its UIDs.
alter table placement drop constraint placement_pkey, add primary key (account_id, message_id, mailbox_id);
drop index placement_message;
