-- Totals of usage. Statements for which the databases need different plans are in their own files.

-- fragment: counts_in(s, c, w)
-- A total of a subscription counts in the current period of a limit: it is of the period, or it is carried into it, or
-- it was brought into it.
((c.reset_period = w.reset_period
            and c.period_start >= case when c.subscription_id > 0 then w.since else w.carried_since end)
        or (c.subscription_id > 0 and s.started_at >= w.since and exists (
            select 1 from json_array_elements(s.brought::json) as b
            where b.value ->> 0 = c.feature_id and b.value ->> 1 = c.reset_period
                and (b.value ->> 2)::bigint = c.period_start
        )))

-- fragment: is_near(c, g, percent)
(c.used > 0 and c.used * 100 >= {limit_of(g)} * percent)

-- name: load_near_given
-- What was given to one user, and overrides that count on in the totals of a subscription; $3: percent of the limit.
select u.id, g.started_at, null::bigint, null, g.reset_period, c.period_start, g.feature_id, c.used, {limit_of(g)}
from given as g
join counters as c on c.bucket = g.bucket and c.subscription_id = g.id and c.feature_id = g.feature_id
    and c.reset_period = g.reset_period and {is_near(c, g, $3)}
join users as u on u.bucket = g.bucket and u.user_key = g.user_key
where g.environment = $1 and {given_holds(g, $2)}
union all
select u.id, {counting(s)}, g.reset_period, c.period_start, g.feature_id, c.used, {limit_of(g)}
from given as g
join subscriptions as s on s.bucket = g.bucket and s.user_key = g.user_key and {gives_access(s, $2)}
join counters as c on c.bucket = s.bucket and c.subscription_id = {counts_as(s)} and c.feature_id = g.feature_id
    and c.reset_period = g.reset_period and {is_near(c, g, $3)}
join users as u on u.bucket = g.bucket and u.user_key = g.user_key
where g.environment = $1 and g.kind = 'OVERRIDE' and {given_holds(g, $2)};

-- name: load_usage_days_of
select day, feature_id, package_id, units, entries, refusals from usage_days
where bucket = $1 and user_key = $2 and feature_id = any($3::text[])
    and package_id = any($4::text[]) and day >= $5 and day < $6;

-- name: load_usage_hours_of
-- Of a user by the hour: from the ledger itself, from the first line ($7) that can have happened since.
select coalesce(e.timestamp, e.recorded_at) - (coalesce(e.timestamp, e.recorded_at) % 3600000 + 3600000) % 3600000 as hour,
    e.feature_id, coalesce(s.package_id, ''), sum(e.change >> 32), sum(e.change & 4294967295),
    count(*) filter (where e.outcome = 'RECORDED'), count(*) filter (where e.outcome <> 'RECORDED')
from entries as e
left join subscriptions as s on s.bucket = e.bucket and s.user_key = e.user_key and s.id = abs(e.subscription_id)
where e.bucket = $1 and e.user_key = $2 and e.id >= $7 and e.feature_id = any($3::text[])
    and coalesce(s.package_id, '') = any($4::text[])
    and coalesce(e.timestamp, e.recorded_at) >= $5 and coalesce(e.timestamp, e.recorded_at) < $6 and {is_usage(e)}
group by 1, 2, 3;

-- name: load_costs
-- What was used of a credit ($2) for each feature that cost it, by hours or days, which are so long ($5). None happens
-- long after it is recorded, so none of them was recorded before $6.
select coalesce(e.timestamp, e.recorded_at) - (coalesce(e.timestamp, e.recorded_at) % $5::bigint + $5) % $5 as at,
    e.line ->> 3, sum(e.change >> 32), sum(e.change & 4294967295),
    count(*) filter (where e.outcome = 'RECORDED'), count(*) filter (where e.outcome <> 'RECORDED')
from entries as e
where e.environment = $1 and e.feature_id = $2 and e.recorded_at >= $6 and e.line ->> 3 is not null
    and coalesce(e.timestamp, e.recorded_at) >= $3 and coalesce(e.timestamp, e.recorded_at) < $4 and {is_usage(e)}
group by 1, 2;

-- name: count_entitled
-- $2: packages. The users who had one of them in these days.
select count(*) from (
    select distinct s.bucket, s.user_key from subscriptions as s
    where s.environment = $1 and s.package_id = any($2::text[]) and {gave_access_between(s, $3, $4)}
) as s;
