-- How far an import came. Each transaction of it takes one step and stores with its messages where in the archive the next one begins: so
-- none is stored twice, whoever goes on with it and whatever was killed.
alter table job add column steps bigint not null default 0;
alter table job add column position bigint not null default 0;
alter table job add column skipped bigint not null default 0;
-- What the reader of the archive has to know besides; null at the beginning.
alter table job add column place json;
