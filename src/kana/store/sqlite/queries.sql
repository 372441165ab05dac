-- The statements that SQLite has in words of its own. PostgreSQL has the same names; but what it reads for many
-- users at once, to spare round trips, is read here for one after another: a look-up is a call in this process.

-- name: load_account
-- ?1, ?2, ?3: bucket, environment, id; ?4: whether ended subscriptions are wanted too; ?5: its number among those asked.
-- What was given to the user alone is read by `load_given`, where there is anything.
select ?5, i.home_bucket, i.user_key,
    exists (select 1 from given as g where g.bucket = i.home_bucket and g.user_key = i.user_key),
    (
        select min(r.ends_at) from reservations as r
        where r.bucket = i.home_bucket and r.user_key = i.user_key and r.closed_as is null
    ), i.led_to, {subscription(s)}
from user_ids as i
left join subscriptions as s on s.bucket = i.home_bucket and s.user_key = i.user_key
    and (?4 or {may_stand(s)})
where i.bucket = ?1 and i.environment = ?2 and i.id = ?3
order by s.id;

-- name: load_total
select ?6, used from counters
where bucket = ?1 and subscription_id = ?2 and feature_id = ?3 and reset_period = ?4 and period_start = ?5;

-- name: load_entry_by_key
select {entry(e)} from entries as e where e.bucket = ?1 and e.user_key = ?2 and e.key = ?3;

-- name: add_entry
insert into entries (
    bucket, user_key, id, environment, feature_id, action, delta, outcome, reason, change, subscription_id,
    reset_period, period_start, used, budget, overage_enabled, key, timestamp, metadata, recorded_at,
    postings, reverses, decision_id, line
) values (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24
);

-- name: put_total
insert into counters (bucket, subscription_id, feature_id, reset_period, period_start, used)
values (?1, ?2, ?3, ?4, ?5, ?6)
on conflict (bucket, subscription_id, feature_id, reset_period, period_start) do update set used = excluded.used;

-- name: add_usage_day
-- A sum that exceeds 64 bits stays at the limit: a total may never refuse a usage.
insert into usage_days (bucket, user_key, feature_id, day, package_id, environment, units, entries, refusals)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
on conflict (bucket, user_key, feature_id, day, package_id) do update set
    units = max(-9000000000000000000, min(9000000000000000000, units + excluded.units)),
    entries = entries + excluded.entries, refusals = refusals + excluded.refusals;

-- name: add_usage_hour
insert into usage_hours (environment, feature_id, package_id, hour, bucket, units, entries, refusals)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
on conflict (environment, feature_id, package_id, hour, bucket) do update set
    units = max(-9000000000000000000, min(9000000000000000000, units + excluded.units)),
    entries = entries + excluded.entries, refusals = refusals + excluded.refusals;

-- name: load_usage
-- ?2: features; ?3: packages; ?4: where each step begins, the first of them at ?5; ?6: where the last one ends.
-- A look-up for each step reads the hours in the order of the index: a group by would sort all of them.
with pairs as materialized (
    select f.value as feature_id, p.value as package_id from json_each(?2) as f cross join json_each(?3) as p
    where exists (
        select 1 from usage_hours as h where h.environment = ?1 and h.feature_id = f.value and h.package_id = p.value
            and h.hour >= ?5 and h.hour < ?6
    )
)
select step, feature_id, package_id, sums from (
    select s.begins_at as step, feature_id, package_id, (
        select sum(h.units >> 32) || ' ' || sum(h.units & 4294967295) || ' ' || sum(h.entries) || ' ' || sum(h.refusals) from usage_hours as h
        where h.environment = ?1 and h.feature_id = pairs.feature_id and h.package_id = pairs.package_id
            and h.hour >= s.begins_at and h.hour < s.ends_at
    ) as sums
    from (
        select value as begins_at, lead(value, 1, ?6) over (order by key) as ends_at from json_each(?4)
    ) as s cross join pairs limit -1  -- Says nothing but that each sum is worked out once.
) where sums is not null limit ?7;

-- name: count_users_of
-- ?2: packages; ?5: features. How many of those who had one of the packages in these days used each of the features;
-- features that nobody used are left out. Each is looked up by its key, however often it was used.
select f.value, count(*)
from (
    select distinct s.bucket, s.user_key from subscriptions as s
    where s.environment = ?1 and s.package_id in (select value from json_each(?2))
        and {gave_access_between(s, ?3, ?4)}
) as s
cross join json_each(?5) as f
where exists (
    select 1 from usage_days as d where d.bucket = s.bucket and d.user_key = s.user_key and d.feature_id = f.value
        and d.day >= ?3 and d.day < ?4 and d.entries > 0
)
group by f.value;

-- name: load_top_users
-- User by user in the order of their ids, so that only the result is sorted.
select id, high, low,
    (select sum(entries) from usage_days as d
        where d.bucket = t.bucket and d.user_key = t.user_key and feature_id = ?2 and day >= ?3 and day < ?4),
    (select sum(refusals) from usage_days as d
        where d.bucket = t.bucket and d.user_key = t.user_key and feature_id = ?2 and day >= ?3 and day < ?4)
from (
    select u.id, u.bucket, u.user_key, sum(d.units >> 32) as high, sum(d.units & 4294967295) as low
    from users as u indexed by users_by_id
    cross join usage_days as d on d.bucket = u.bucket and d.user_key = u.user_key and d.feature_id = ?2
        and d.day >= ?3 and d.day < ?4
    where u.environment = ?1
    group by u.id
    order by high + (low >> 32) desc, low & 4294967295 desc, u.id limit ?5
) as t;

-- name: load_near_limits
-- ?2: of each limit the package, ?4: feature, ?5: reset period, ?6: first moment that a current period can start at,
-- ?7: used at least, ?8: the limit, ?9: first moment that a period can start at whose rest is carried over, or null.
-- What is carried over, or was brought, is added to the total of the period. Such sums have no period of their own.
-- Expanded once. Each limit reads the subscriptions of its own package; searching all limits for each subscription
-- would cost subscriptions times limits.
with wanted as materialized (
    select key as number, max(value) filter (where list = 2) as package_id, max(value) filter (where list = 4) as feature_id,
        max(value) filter (where list = 5) as reset_period, max(value) filter (where list = 6) as since,
        max(value) filter (where list = 7) as used, max(value) filter (where list = 8) as most,
        max(value) filter (where list = 9) as carried_since
    from (
        select 2 as list, key, value from json_each(?2)
        union all select 4, key, value from json_each(?4)
        union all select 5, key, value from json_each(?5)
        union all select 6, key, value from json_each(?6)
        union all select 7, key, value from json_each(?7)
        union all select 8, key, value from json_each(?8)
        union all select 9, key, value from json_each(?9)
    ) group by key
)
select u.id, {counting(s)}, c.reset_period, c.period_start, c.feature_id, c.used, w.most
from wanted as w
cross join subscriptions as s on s.environment = ?1 and s.package_id = w.package_id
    and {gives_access(s, ?3)}
cross join counters as c on c.bucket = s.bucket and c.subscription_id = {counts_as(s)} and c.feature_id = w.feature_id
    and c.reset_period = w.reset_period and c.period_start >= w.since and c.used >= w.used
cross join users as u on u.bucket = s.bucket and u.user_key = s.user_key
union all
select u.id, null, null, null, null, null, t.feature_id, t.used, t.most
from (
    select s.bucket, s.user_key, w.feature_id, w.most, sum(c.used) as used
    from wanted as w
    cross join subscriptions as s on s.environment = ?1 and s.package_id = w.package_id
        and {gives_access(s, ?3)} and (w.carried_since is not null or s.brought is not null)
    cross join counters as c on c.bucket = s.bucket and c.subscription_id in ({counts_as(s)}, -{counts_as(s)})
        and c.feature_id = w.feature_id and {counts_in(s, c, w)}
    group by w.number, s.bucket, s.user_key, s.id
    having sum(c.used) >= w.used
) as t
cross join users as u on u.bucket = t.bucket and u.user_key = t.user_key;

-- name: load_refusals
select u.id, r.feature_id, r.outcome, r.refused, r.last_at
from (
    select bucket, user_key, feature_id, outcome, count(*) as refused, max(coalesce(timestamp, recorded_at)) as last_at
    from entries
    where outcome <> 'RECORDED' and environment = ?1 and recorded_at >= ?8  -- None happens long after it is recorded.
        and coalesce(timestamp, recorded_at) >= ?2 and coalesce(timestamp, recorded_at) < ?3
        and (?4 is null or feature_id = ?4) and (?5 is null or (bucket = ?5 and user_key = ?6))
    group by bucket, user_key, feature_id, outcome
    order by refused desc, last_at desc, bucket, user_key, feature_id, outcome limit ?7
) as r
cross join users as u on u.bucket = r.bucket and u.user_key = r.user_key
order by r.refused desc, r.last_at desc, u.id, r.feature_id, r.outcome;

-- name: load_segment_events
-- All keys of the call: a list for each column of the key, read from JSON once.
with environments as materialized (select key, value from json_each(?2)),
    messages as materialized (select key, value from json_each(?3))
select e.bucket, e.environment, e.message_id, e.id, e.type, e.user_id, e.event, e.status, e.reason, e.feature_id,
    e.rule_id, e.delta, e.happened_at, e.received_at, e.raw
from json_each(?1) as b
cross join environments as n on n.key = b.key
cross join messages as m on m.key = b.key
cross join segment_events as e on e.bucket = b.value and e.environment = n.value and e.message_id = m.value;
