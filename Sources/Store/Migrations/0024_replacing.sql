-- Whether the script that is to run at a server takes the place of whatever runs there: asked for, and not seen done yet.
alter table script_server add column replaces boolean not null default false;
