-- Accounts of a server that have all of their mail here.
-- The keywords that the server had for the message of a conflict: one that was to be deleted and changed meanwhile.
alter table operation add column server_keywords text[];
-- release: the message is taken from the server, and stays here.
alter table operation drop constraint operation_kind_check,
  add constraint operation_kind_check
    check (kind in ('keywords', 'move', 'copy', 'delete', 'append', 'release'));
