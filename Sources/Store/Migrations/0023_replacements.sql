-- Intents that put another message in the place of one that the server has: its bytes are in blob_id.
alter table operation drop constraint operation_kind_check;
alter table operation add constraint operation_kind_check
  check (kind in ('keywords', 'move', 'copy', 'delete', 'append', 'release', 'replace'));
