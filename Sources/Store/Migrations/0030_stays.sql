-- Of an intent to append: whether the message was here before, and stays here alone where the intent is taken back.
alter table operation add column stays boolean not null default false;
update operation set stays = true, previous_keywords = null
where kind = 'append' and previous_keywords is not null;
