-- Which words there are is the model's to say, and it is asked before anything is written: a check here would have
-- the whole ledger copied for one word more. This copies it once more, for the last time.

alter table entries rename to old_entries;
create table entries (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    id integer not null check (id > 0),
    environment text not null,
    feature_id text not null,
    action text not null,
    delta integer not null,
    outcome text not null,
    reason text,
    change integer not null,
    subscription_id integer,
    reset_period text,
    period_start integer,
    used integer check (used between 0 and 9007199254740991),
    budget integer,
    overage_enabled integer check (overage_enabled in (0, 1)),
    key blob,
    timestamp integer,
    metadata text check (json_valid(metadata)),
    recorded_at integer not null,
    primary key (bucket, user_key, id),
    check (outcome = 'RECORDED' or change = 0),
    check (outcome <> 'RECORDED' or subscription_id is not null)
) strict, without rowid;
insert into entries select * from old_entries;
drop table old_entries;
create unique index entries_by_key on entries (bucket, user_key, key) where key is not null;
create index entries_refused on entries (environment, recorded_at, timestamp, feature_id, outcome)
where outcome <> 'RECORDED';

alter table counters rename to old_counters;
create table counters (
    bucket integer not null check (bucket between 0 and 1023),
    subscription_id integer not null,
    feature_id text not null,
    reset_period text not null,
    period_start integer not null,
    used integer not null check (used between 0 and 9007199254740991),
    primary key (bucket, subscription_id, feature_id, reset_period, period_start)
) strict, without rowid;
insert into counters select * from old_counters;
drop table old_counters;

alter table subscriptions rename to old_subscriptions;
create table subscriptions (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    id integer not null check (id > 0),
    environment text not null,
    package_id text not null,
    status text not null,
    started_at integer not null,
    ends_at integer,
    primary key (bucket, user_key, id)
) strict, without rowid;
insert into subscriptions select * from old_subscriptions;
drop table old_subscriptions;
create index subscriptions_by_id on subscriptions (bucket, id);
create index subscriptions_by_environment on subscriptions (environment, id);
create index subscriptions_by_package on subscriptions (environment, package_id, status, ends_at);

alter table segment_events rename to old_segment_events;
create table segment_events (
    bucket integer not null check (bucket between 0 and 1023),
    environment text not null,
    message_id text not null,
    id integer not null check (id > 0),
    type text not null,
    user_id text,
    event text,
    status text not null,
    reason text,
    feature_id text,
    rule_id text,
    delta integer not null,
    happened_at integer not null,
    received_at integer not null,
    raw text not null,
    primary key (bucket, environment, message_id)
) strict, without rowid;
insert into segment_events select * from old_segment_events;
drop table old_segment_events;
create index segment_events_by_id on segment_events (environment, id);
create index segment_events_by_status on segment_events (environment, status, id);
create index segment_events_unmapped on segment_events (environment, event) where status = 'UNMAPPED';
create index segment_events_waiting on segment_events (bucket, environment, user_id) where status = 'WAITING';
