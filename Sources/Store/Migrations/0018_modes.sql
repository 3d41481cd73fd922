-- An account that has all of its mail here notices what became of a message that it was to delete.
-- The keywords that the server had for the message of a conflict.
alter table operation add column server_keywords text[];
