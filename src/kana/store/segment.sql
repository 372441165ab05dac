-- What Segment sent, and the rules that map it.

-- name: load_mapping_rules
select environment, id, name, event_name, conditions, feature_id, revision, is_replayed, created_at, updated_at
from segment_rules where environment = $1 order by created_at, id;

-- name: put_mapping_rule
insert into segment_rules (
    environment, id, name, event_name, conditions, feature_id, revision, is_replayed, created_at, updated_at
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (environment, id) do update set
    name = excluded.name, event_name = excluded.event_name, conditions = excluded.conditions,
    feature_id = excluded.feature_id, revision = excluded.revision, is_replayed = excluded.is_replayed,
    updated_at = excluded.updated_at;

-- name: delete_mapping_rule
delete from segment_rules where environment = $1 and id = $2;

-- name: mark_rule_replayed
-- Unless it has been changed again.
update segment_rules set is_replayed = 1 where environment = $1 and id = $2 and revision = $3;

-- name: add_segment_event
insert into segment_events (
    bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
on conflict (bucket, environment, message_id) do nothing;

-- name: settle_segment_event
-- Events that are already settled do not change.
update segment_events set status = $4, reason = $5, feature_id = $6, rule_id = $7
where bucket = $1 and environment = $2 and message_id = $3 and status in ('PENDING', 'UNMAPPED', 'WAITING');

-- name: reopen_segment_event
-- If two try it again at the same time, the second one finds it already tried.
update segment_events
set status = $4, reason = $5, feature_id = $6, rule_id = $7, delta = $8, happened_at = $9
where bucket = $1 and environment = $2 and message_id = $3 and status = 'FAILED';

-- name: count_failed_events
-- Counts up to the limit.
select count(*) from (
    select 1 from segment_events where environment = $1 and status = 'FAILED' limit $2
) as failed;

-- name: list_waiting_events
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events where bucket = $1 and environment = $2 and user_id = $3 and status = 'WAITING'
order by id limit $4;

-- name: list_open_events
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events where environment = $1 and status = $2 and id > $3 and received_at <= $4 order by id limit $5;

-- name: list_segment_events
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events where environment = $1 and id < $2 order by id desc limit $3;

-- name: list_segment_events_of_status
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events where environment = $1 and status = $2 and id < $3 order by id desc limit $4;

-- name: count_segment_events
select status, count(*), max(received_at) from segment_events where environment = $1 group by status;

-- name: count_unmapped_events
select event, count(*) from segment_events where environment = $1 and status = 'UNMAPPED'
group by event order by count(*) desc, event limit $2;
