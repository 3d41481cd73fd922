-- Which rules look at a message that waits: those on what comes, delivery, or those on what is sent, outbound.
alter table rule_arrival add column trigger text not null default 'delivery';

-- Of rules that run by the clock: every how many hours, and when next.
alter table rule add column schedule_hours integer;
alter table rule add column next_run_at timestamptz;
create index rule_schedule on rule (next_run_at) where next_run_at is not null;
