-- What was used, by user and day, and by hour over all users: derived from the ledger, and written in the
-- same transaction as its lines. `day` and `hour` are the moments at which they begin, in UTC; a line counts
-- in the one in which it happened. An empty package_id stands for no package: nothing answered.
create table usage_days (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    feature_id text collate "C" not null,
    day bigint not null,
    package_id text collate "C" not null,
    environment text collate "C" not null,
    units bigint not null,
    entries bigint not null check (entries >= 0),
    refusals bigint not null check (refusals >= 0),
    primary key (bucket, user_key, feature_id, day, package_id)
) with (fillfactor = 50);

-- Of one hour there may be several rows: who writes side by side adds to rows of their own, told apart by
-- `bucket`, and whoever reads adds them up. What one entitlement uses lies together, in the order of time.
create table usage_hours (
    environment text collate "C" not null,
    feature_id text collate "C" not null,
    package_id text collate "C" not null,
    hour bigint not null,
    bucket smallint not null check (bucket between 0 and 1023),
    units bigint not null,
    entries bigint not null check (entries >= 0),
    refusals bigint not null check (refusals >= 0),
    primary key (environment, feature_id, package_id, hour, bucket)
) with (fillfactor = 50);

insert into usage_days
select e.bucket, e.user_key, e.feature_id, coalesce(e.timestamp, e.recorded_at) / 86400000 * 86400000,
    coalesce(s.package_id, ''), e.environment, sum(e.change),
    count(*) filter (where e.outcome = 'RECORDED'), count(*) filter (where e.outcome <> 'RECORDED')
from entries as e
left join subscriptions as s on s.bucket = e.bucket and s.user_key = e.user_key and s.id = e.subscription_id
group by 1, 2, 3, 4, 5, 6;

insert into usage_hours
select e.environment, e.feature_id, coalesce(s.package_id, ''),
    coalesce(e.timestamp, e.recorded_at) / 3600000 * 3600000, 0,
    sum(e.change), count(*) filter (where e.outcome = 'RECORDED'), count(*) filter (where e.outcome <> 'RECORDED')
from entries as e
left join subscriptions as s on s.bucket = e.bucket and s.user_key = e.user_key and s.id = e.subscription_id
group by 1, 2, 3, 4;

-- Few lines are refusals: who was refused is read without looking at the others.
create index entries_refused on entries (environment, (coalesce(timestamp, recorded_at)), feature_id, outcome)
where outcome <> 'RECORDED';
