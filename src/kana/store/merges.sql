-- Merging two users.

-- name: add_merged_user
insert into merged_users (bucket, user_key, environment, id, into_bucket, into_key, merged_at, details)
values ($1, $2, $3, $4, $5, $6, $7, $8::json);

-- name: list_merged_users
-- Those who were merged into a user.
select bucket, user_key, environment, id, merged_at, details from merged_users
where into_bucket = $1 and into_key = $2 order by merged_at, id;

-- name: redirect_merged_users
-- Those who were merged into a user are now merged into another.
update merged_users set into_bucket = $3, into_key = $4 where into_bucket = $1 and into_key = $2;

-- name: redirect_former_ids
update former_ids set home_bucket = $3, user_key = $4 where home_bucket = $1 and user_key = $2;

-- name: redirect_user_id
update user_ids set home_bucket = $4, user_key = $5, led_to = $6 where bucket = $1 and environment = $2 and id = $3;

-- name: delete_merged_users
delete from merged_users where into_bucket = $1 and into_key = $2;

-- name: load_counter
select used from counters
where bucket = $1 and subscription_id = $2 and feature_id = $3 and reset_period = $4 and period_start = $5;

-- name: end_given
-- All that was given ends at $3 at the latest.
update given
set ends_at = case
    when started_at > $3::bigint then started_at
    when ends_at is null or ends_at > $3::bigint then $3::bigint
    else ends_at
end
where bucket = $1 and user_key = $2;

-- name: write_entry
insert into entries (
    bucket, user_key, id, environment, feature_id, action, delta, outcome, reason, change, subscription_id,
    reset_period, period_start, used, budget, overage_enabled, key, timestamp, metadata, recorded_at, postings, reverses,
    decision_id, line
) values (
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::json, $20, $21::json, $22, $23,
    $24::json
);

-- name: add_to_counter
insert into counters as c (bucket, subscription_id, feature_id, reset_period, period_start, used)
values ($1, $2, $3, $4, $5, $6)
on conflict (bucket, subscription_id, feature_id, reset_period, period_start) do update set used = excluded.used;

-- name: add_to_usage_day
insert into usage_days as t (bucket, user_key, feature_id, day, package_id, environment, units, entries, refusals)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (bucket, user_key, feature_id, day, package_id) do update set
    units = t.units + excluded.units, entries = t.entries + excluded.entries, refusals = t.refusals + excluded.refusals;

-- name: add_to_usage_hour
insert into usage_hours as t (environment, feature_id, package_id, hour, bucket, units, entries, refusals)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (environment, feature_id, package_id, hour, bucket) do update set
    units = t.units + excluded.units, entries = t.entries + excluded.entries, refusals = t.refusals + excluded.refusals;
