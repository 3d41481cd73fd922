-- Actions of a rule that matched which were not carried out, each with why, as JSON.
alter table rule_match add column refused json not null default '[]';
-- Why the rules of an account could not be run on a message; then there is no rule.
alter table rule_match alter column rule_id drop not null;
alter table rule_match add column error text;
