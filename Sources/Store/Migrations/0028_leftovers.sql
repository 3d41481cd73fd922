-- What was marked \Deleted for an intent and could not be expunged yet, since the server has no UIDPLUS and others' \Deleted messages.
create table leftover (
  account_id bigint not null,
  mailbox_id bigint not null,
  uid_validity bigint not null,
  uid bigint not null,
  primary key (account_id, mailbox_id, uid_validity, uid),
  foreign key (account_id, mailbox_id) references mailbox (account_id, id) on delete cascade
);
-- Of the deletion of a mailbox: of which generation `uid_next` is.
alter table operation add column uid_validity bigint;
-- Where a run of rules left a message: one that was moved since is not taken from there by undoing the run.
alter table rule_undo add column placed bigint[];
