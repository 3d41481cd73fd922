-- Where the parts of a message kept here stand in it: first byte and end of each leaf, in their order.
alter table blob add leaf_bounds bigint[] not null default '{}';
