-- The statements that differ on PostgreSQL; SQLite has the same names.
-- A batch comes as the text of one array for each column (columns.py), so that one of any size is one
-- statement; its entries are copied in, which needs none.
-- Joins stay in one bucket, so on a sharded database they stay on one shard.

-- name: load_accounts
-- Where the data of each of these users is stored; those who do not exist are left out.
select w.number::integer, i.home_bucket, i.user_key, i.led_to
from unnest($1::text::smallint[], $2::text::text[], $3::text::text[]) with ordinality as w (bucket, environment, id, number)
join user_ids as i on i.bucket = w.bucket and i.environment = w.environment and i.id = w.id;

-- name: lock_accounts
-- The same, locked to the end of the transaction. Every process takes the locks in this order, so
-- that they cannot deadlock.
select w.number::integer, i.home_bucket, i.user_key, i.led_to
from unnest($1::text::smallint[], $2::text::text[], $3::text::text[]) with ordinality as w (bucket, environment, id, number)
join user_ids as i on i.bucket = w.bucket and i.environment = w.environment and i.id = w.id
order by i.bucket, i.environment, i.id
for update of i;

-- name: lock_accounts_of_bucket
-- The same for users of one bucket: a sharded database takes locks on one shard per statement.
select w.number::integer, i.home_bucket, i.user_key, i.led_to
from unnest($2::text::text[], $3::text::text[]) with ordinality as w (environment, id, number)
join user_ids as i on i.bucket = $1 and i.environment = w.environment and i.id = w.id
where i.bucket = $1
order by i.bucket, i.environment, i.id
for update of i;

-- name: load_held_subscriptions
-- For each account what was given to its user, and the subscriptions that have not ended, or with its flag all of
-- them; the oldest first.
select w.number::integer, (
        select json_agg(json_build_array({given(g)}) order by g.id) from given as g
        where g.bucket = w.bucket and g.user_key = w.user_key
    ), (
        select min(r.ends_at) from reservations as r
        where r.bucket = w.bucket and r.user_key = w.user_key and r.closed_as is null
    ), {subscription(s)}
from unnest($1::text::smallint[], $2::text::bigint[], $3::text::boolean[]) with ordinality as w (bucket, user_key, history, number)
left join subscriptions as s on s.bucket = w.bucket and s.user_key = w.user_key
    and (w.history or {may_stand(s)})
order by w.number, s.id;

-- name: load_totals
select w.number::integer, c.used
from unnest($1::text::smallint[], $2::text::bigint[], $3::text::text[], $4::text::text[], $5::text::bigint[]) with ordinality
    as w (bucket, subscription_id, feature_id, reset_period, period_start, number)
join counters as c on c.bucket = w.bucket and c.subscription_id = w.subscription_id
    and c.feature_id = w.feature_id and c.reset_period = w.reset_period and c.period_start = w.period_start;

-- name: load_entries_by_key
-- The user is compared so that no index helps: their key alone would look as good to the planner as
-- entries_by_key, and read all that they ever used.
select {entry(e)}
from unnest($1::text::smallint[], $2::text::bigint[], $3::text::bytea[]) as w (bucket, user_key, key)
join entries as e on e.bucket = w.bucket and e.key = w.key and e.user_key - w.user_key = 0;

-- name: has_entry
select 1 from entries where bucket = $1 and user_key = $2 and id = $3;

-- name: put_total
insert into counters (bucket, subscription_id, feature_id, reset_period, period_start, used)
select * from unnest($1::text::smallint[], $2::text::bigint[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::bigint[])
on conflict (bucket, subscription_id, feature_id, reset_period, period_start) do update set used = excluded.used;

-- name: add_usage_day
-- A sum that exceeds 64 bits stays at the limit: a total may never refuse a usage.
insert into usage_days as t (bucket, user_key, feature_id, day, package_id, environment, units, entries, refusals)
select * from unnest(
    $1::text::smallint[], $2::text::bigint[], $3::text::text[], $4::text::bigint[], $5::text::text[], $6::text::text[], $7::text::bigint[], $8::text::bigint[],
    $9::text::bigint[]
)
on conflict (bucket, user_key, feature_id, day, package_id) do update set
    units = greatest(-9000000000000000000, least(9000000000000000000, t.units::numeric + excluded.units))::bigint,
    entries = t.entries + excluded.entries, refusals = t.refusals + excluded.refusals;

-- name: add_usage_hour
insert into usage_hours as t (environment, feature_id, package_id, hour, bucket, units, entries, refusals)
select * from unnest(
    $1::text::text[], $2::text::text[], $3::text::text[], $4::text::bigint[], $5::text::smallint[], $6::text::bigint[], $7::text::bigint[], $8::text::bigint[]
)
on conflict (environment, feature_id, package_id, hour, bucket) do update set
    units = greatest(-9000000000000000000, least(9000000000000000000, t.units::numeric + excluded.units))::bigint,
    entries = t.entries + excluded.entries, refusals = t.refusals + excluded.refusals;

-- name: load_usage
-- $2: features; $3: packages; $4: where each step begins; $6: where the last one ends.
select ($4::bigint[])[width_bucket(hour, $4::bigint[])] as step, feature_id, package_id,
    sum(units >> 32)::text || ' ' || sum(units & 4294967295) || ' ' || sum(entries) || ' ' || sum(refusals)
from usage_hours
where environment = $1 and feature_id = any($2::text[]) and package_id = any($3::text[])
    and hour >= $5::bigint and hour < $6::bigint
group by 1, 2, 3 limit $7;

-- name: count_users_of
-- $2: packages; $5: features. How many of those who had one of the packages in these days used each of the features;
-- features that nobody used are left out. In one pass over the days: a look-up per user and feature costs far more.
select feature_id, count(*)
from (
    select distinct d.bucket, d.user_key, d.feature_id from usage_days as d
    where d.environment = $1 and d.feature_id = any($5::text[]) and d.day >= $3 and d.day < $4 and d.entries > 0
        and exists (
            select 1 from subscriptions as s where s.bucket = d.bucket and s.user_key = d.user_key
                and s.environment = $1 and s.package_id = any($2::text[]) and {gave_access_between(s, $3, $4)}
        )
) as used
group by feature_id;

-- name: load_top_users
select u.id, t.high, t.low, t.entries, t.refusals
from (
    select bucket, user_key, sum(units) as units, sum(units >> 32) as high, sum(units & 4294967295) as low,
        sum(entries) as entries, sum(refusals) as refusals
    from usage_days where environment = $1 and feature_id = $2 and day >= $3 and day < $4
    group by bucket, user_key
) as t
join users as u on u.bucket = t.bucket and u.user_key = t.user_key
order by t.units desc, u.id limit $5;

-- name: load_near_limits
-- $2: of each limit the package, $4: feature, $5: reset period, $6: first moment that a current period can start at,
-- $7: used at least, $8: the limit, $9: first moment that a period can start at whose rest is carried over, or null.
-- What is carried over, or was brought, is added to the total of the period. Such sums have no period of their own.
with wanted as (
    select * from unnest($2::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[])
        as w (package_id, feature_id, reset_period, since, used, most, carried_since)
)
select u.id, {counting(s)}, c.reset_period, c.period_start, c.feature_id, c.used, w.most
from wanted as w
join subscriptions as s on s.environment = $1 and s.package_id = w.package_id
    and {gives_access(s, $3)}
join counters as c on c.bucket = s.bucket and c.subscription_id = {counts_as(s)} and c.feature_id = w.feature_id
    and c.reset_period = w.reset_period and c.period_start >= w.since and c.used >= w.used
join users as u on u.bucket = s.bucket and u.user_key = s.user_key
union all
select u.id, null, null, null, null, null, t.feature_id, t.used, t.most
from (
    select s.bucket, s.user_key, w.feature_id, w.most, sum(c.used)::bigint as used
    from wanted as w
    join subscriptions as s on s.environment = $1 and s.package_id = w.package_id
        and {gives_access(s, $3)} and (w.carried_since is not null or s.brought is not null)
    join counters as c on c.bucket = s.bucket and c.subscription_id in ({counts_as(s)}, -{counts_as(s)})
        and c.feature_id = w.feature_id and {counts_in(s, c, w)}
    group by s.bucket, s.user_key, s.id, w.feature_id, w.used, w.most
    having sum(c.used) >= w.used
) as t
join users as u on u.bucket = t.bucket and u.user_key = t.user_key;

-- name: load_refusals
select u.id, r.feature_id, r.outcome, r.refused, r.last_at
from (
    select bucket, user_key, feature_id, outcome, count(*) as refused, max(coalesce(timestamp, recorded_at)) as last_at
    from entries
    where outcome <> 'RECORDED' and environment = $1 and recorded_at >= $8  -- None happens long after it is recorded.
        and coalesce(timestamp, recorded_at) >= $2 and coalesce(timestamp, recorded_at) < $3
        and ($4::text is null or feature_id = $4)
        and ($5::smallint is null or (bucket = $5 and user_key = $6::bigint))
    group by bucket, user_key, feature_id, outcome
    order by refused desc, last_at desc, bucket, user_key, feature_id, outcome limit $7
) as r
join users as u on u.bucket = r.bucket and u.user_key = r.user_key
order by r.refused desc, r.last_at desc, u.id, r.feature_id, r.outcome;

-- name: load_segment_events
-- All keys of the call: a list for each column of the key.
select e.bucket, e.environment, e.message_id, e.id, e.type, e.user_id, e.event, e.status, e.reason, e.feature_id,
    e.rule_id, e.delta, e.happened_at, e.received_at, e.raw
from unnest($1::smallint[], $2::text[], $3::text[]) as w (bucket, environment, message_id)
join segment_events as e on e.bucket = w.bucket and e.environment = w.environment and e.message_id = w.message_id;
