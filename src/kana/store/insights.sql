-- Totals of usage. Statements for which the databases need different plans are in their own files.

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
    and coalesce(e.timestamp, e.recorded_at) >= $5 and coalesce(e.timestamp, e.recorded_at) < $6
group by 1, 2, 3;

-- name: count_entitled
-- $2: packages. The users who had one of them in these days.
select count(*) from (
    select distinct s.bucket, s.user_key from subscriptions as s
    where s.environment = $1 and s.package_id = any($2::text[]) and {gave_access_between(s, $3, $4)}
) as s;
