-- What the submission worker asks for at every look: the soonest of each account, and copies not filed yet.
create index submission_due_of_account on submission (account_id, next_attempt_at, id)
  where state in ('held', 'queued', 'sending');
create index submission_to_file on submission (id) where state = 'sent' and not is_copy_filed;
