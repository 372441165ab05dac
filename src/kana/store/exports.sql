-- Reading all that is kept of one user.

-- name: list_counters_after
-- Counters of some subscriptions and of what was given, in the order of their keys.
select bucket, subscription_id, feature_id, reset_period, period_start, used from counters
where bucket = $1 and subscription_id = any($2::bigint[])
    and (subscription_id, feature_id, reset_period, period_start) > ($3::bigint, $4::text, $5::text, $6::bigint)
order by subscription_id, feature_id, reset_period, period_start limit $7;

-- name: list_entries_after
select {entry(e)} from entries as e where e.bucket = $1 and e.user_key = $2 and e.id > $3 order by e.id limit $4;

-- name: list_events_of
-- Events of an id that were received after $4 and until $5.
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events
where bucket = $1 and environment = $2 and user_id = $3 and received_at > $4 and received_at <= $5 and message_id > $6
order by message_id limit $7;

-- name: list_log_about
select id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after from admin_log
where environment = $1 and id > $2 and subject_id = any($3::text[]) order by id limit $4;
