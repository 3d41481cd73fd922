-- A name longer than an index takes (2,704 bytes) is unique by its digest.
alter table mailbox drop constraint mailbox_account_id_encoded_name_key;
create unique index mailbox_encoded_name on mailbox (account_id, md5(encoded_name));
