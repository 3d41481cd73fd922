-- Whether the sender of a submission is to be told by mail what could not be delivered: who brought it by SMTP does not ask for its state.
alter table submission add column owes_report boolean not null default false;
create index submission_report on submission (id) where owes_report and state in ('sent', 'failed');
