-- Whose an address is, as mail that comes in asks for each recipient. A function over the row, so that no second copy of the
-- addresses can differ from the settings.
create function account_addresses(email text, identities json) returns text[]
  language sql immutable parallel safe
  return array(select lower(i ->> 'email') from json_array_elements(identities) as i) || lower(email);
create index account_by_address on account using gin (account_addresses(email, identities));
