-- Compares every total with the lines that it sums up. Each statement reads every table once, whatever its size.
-- Sums of units come in two halves, the upper 32 bits and the lower 32: 64 bits may not hold a whole one, and
-- both databases shift and mask numbers below zero alike. Division is not alike: it cuts towards zero, where the
-- model rounds down, so that days and hours are found by what is left over.

-- fragment: is_usage(e)
-- What is only set aside, or let go, is none.
(e.outcome <> 'RECORDED' or e.line is null or coalesce(e.line ->> 1, '') not in ('RESERVED', 'RELEASED', 'ENDED'))

-- name: count_entries
select count(*) from entries;

-- name: count_counters
select count(*) from counters;

-- name: audit
-- Every counter that differs from the sum of its postings, and every sum that has no counter. A line that lists no
-- postings has one: its change, in the counter that it names.
select bucket, subscription_id, feature_id, reset_period, period_start, sum(counted)::bigint, sum(high), sum(low)
from (
    select bucket, subscription_id, feature_id, reset_period, period_start, used as counted, 0::bigint as high, 0::bigint as low
    from counters
    union all
    select bucket, subscription_id, feature_id, reset_period, period_start, 0, change >> 32, change & 4294967295
    from (
        select e.bucket, e.feature_id, coalesce((p.value ->> 0)::bigint, e.subscription_id) as subscription_id,
            coalesce(p.value ->> 1, e.reset_period) as reset_period,
            coalesce((p.value ->> 2)::bigint, e.period_start) as period_start,
            coalesce((p.value ->> 3)::bigint, e.change) as change
        from entries as e left join json_array_elements(e.postings) as p on true
        where e.outcome = 'RECORDED'
    ) as posted
) as both_sides
group by bucket, subscription_id, feature_id, reset_period, period_start
having (sum(counted)::bigint >> 32) <> sum(high) + (sum(low)::bigint >> 32)
    or (sum(counted)::bigint & 4294967295) <> (sum(low)::bigint & 4294967295)
order by bucket, subscription_id, feature_id, reset_period, period_start;

-- name: audit_days
-- Every total of a user's day that differs from its lines, and every day with lines that has no total.
-- A total stays at 9 * 10^18 (2095475792 * 2^32) where it would pass it. Where lines can have added up to so much,
-- whichever way, units are not compared; how often something was used or refused always is.
select environment, bucket, user_key, feature_id, package_id, day,
    sum(t_high), sum(t_low), sum(t_entries), sum(t_refusals), sum(l_high), sum(l_low), sum(l_entries), sum(l_refusals)
from (
    select environment, bucket, user_key, feature_id, package_id, day,
        units >> 32 as t_high, units & 4294967295 as t_low, entries as t_entries, refusals as t_refusals,
        0::bigint as l_high, 0::bigint as l_low, 0 as l_entries, 0 as l_refusals, 0::bigint as l_moved
    from usage_days
    union all
    select e.environment, e.bucket, e.user_key, e.feature_id, coalesce(s.package_id, ''),
        coalesce(e.timestamp, e.recorded_at) - (coalesce(e.timestamp, e.recorded_at) % 86400000 + 86400000) % 86400000,
        0, 0, 0, 0, e.change >> 32, e.change & 4294967295,
        case when e.outcome = 'RECORDED' then 1 else 0 end, case when e.outcome = 'RECORDED' then 0 else 1 end,
        (abs(e.change) >> 32) + 1
    from entries as e
    left join subscriptions as s on s.bucket = e.bucket and s.user_key = e.user_key and s.id = abs(e.subscription_id)
    where {is_usage(e)}
) as both_sides
group by environment, bucket, user_key, feature_id, package_id, day
having sum(t_entries) <> sum(l_entries) or sum(t_refusals) <> sum(l_refusals) or (
    sum(l_moved) < 2095475792 and (
        sum(t_high) + (sum(t_low)::bigint >> 32) <> sum(l_high) + (sum(l_low)::bigint >> 32)
        or (sum(t_low)::bigint & 4294967295) <> (sum(l_low)::bigint & 4294967295)
    )
)
order by environment, bucket, user_key, feature_id, package_id, day;

-- name: audit_hours
-- The same for hours, over all users.
select environment, null, null, feature_id, package_id, hour,
    sum(t_high), sum(t_low), sum(t_entries), sum(t_refusals), sum(l_high), sum(l_low), sum(l_entries), sum(l_refusals)
from (
    select environment, feature_id, package_id, hour,
        units >> 32 as t_high, units & 4294967295 as t_low, entries as t_entries, refusals as t_refusals,
        0::bigint as l_high, 0::bigint as l_low, 0 as l_entries, 0 as l_refusals, 0::bigint as l_moved
    from usage_hours
    union all
    select e.environment, e.feature_id, coalesce(s.package_id, ''),
        coalesce(e.timestamp, e.recorded_at) - (coalesce(e.timestamp, e.recorded_at) % 3600000 + 3600000) % 3600000,
        0, 0, 0, 0, e.change >> 32, e.change & 4294967295,
        case when e.outcome = 'RECORDED' then 1 else 0 end, case when e.outcome = 'RECORDED' then 0 else 1 end,
        (abs(e.change) >> 32) + 1
    from entries as e
    left join subscriptions as s on s.bucket = e.bucket and s.user_key = e.user_key and s.id = abs(e.subscription_id)
    where {is_usage(e)}
) as both_sides
group by environment, feature_id, package_id, hour
having sum(t_entries) <> sum(l_entries) or sum(t_refusals) <> sum(l_refusals) or (
    sum(l_moved) < 2095475792 and (
        sum(t_high) + (sum(t_low)::bigint >> 32) <> sum(l_high) + (sum(l_low)::bigint >> 32)
        or (sum(t_low)::bigint & 4294967295) <> (sum(l_low)::bigint & 4294967295)
    )
)
order by environment, feature_id, package_id, hour;
