-- Deleting users: first who they are, in one transaction, and then every trace of them, a page after the other.

-- name: lock_imports
-- Imports that are in progress; merging a page of one waits for this transaction.
select id from user_imports where environment = $1 order by id for update;

-- name: find_import_pages
-- Pages that may have a row for an id ($2, a pattern).
select p.import_id, p.page, p.listed from user_import_pages as p
join user_imports as i on i.id = p.import_id
where i.environment = $1 and p.listed like $2 order by p.import_id, p.page;

-- name: change_import_page
update user_import_pages set listed = $3 where import_id = $1 and page = $2;

-- name: delete_user
delete from users where bucket = $1 and user_key = $2;

-- name: clear_time_zones
-- Where a user lives.
update subscriptions set calendar = 'UTC' where bucket = $1 and user_key = $2 and calendar is not null;

-- name: clear_given
-- What was given ends at $4 at the latest, and keeps who gave it, with $3 for the reason.
update given
set reason = $3, key = null, ends_at = case
    when started_at > $4::bigint then started_at
    when ends_at is null or ends_at > $4::bigint then $4::bigint
    else ends_at
end
where bucket = $1 and user_key = $2;

-- name: add_deleted_user
insert into deleted_users (bucket, user_key, environment, id, deleted_at, texts) values ($1, $2, $3, $4, $5, $6::json);

-- name: add_former_id
insert into former_ids (bucket, environment, id, until, home_bucket, user_key, is_leaving)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (bucket, environment, id, until) do nothing;

-- name: is_leaving
select 1 from former_ids where bucket = $1 and environment = $2 and id = $3 and is_leaving = 1 limit 1;

-- name: list_former_ids
select id, until from former_ids where home_bucket = $1 and user_key = $2 order by until, id;

-- name: load_holders
-- Who had these ids before, in order.
select id, until, home_bucket, user_key from former_ids
where environment = $1 and bucket = any($2::smallint[]) and id = any($3::text[]) order by id, until;

-- name: find_held_ids
-- Those of these ids that somebody has now.
select id from user_ids where environment = $1 and bucket = any($2::smallint[]) and id = any($3::text[]);

-- name: list_deletions
-- Those that are not finished: with every trace cleared there are none.
select bucket, user_key, environment, id, deleted_at, texts from deleted_users
where environment = $1 and texts is not null order by deleted_at, user_key;

-- name: next_entries
select id from entries where bucket = $1 and user_key = $2 and id > $3 order by id limit $4;

-- name: clear_entries
update entries set metadata = null, key = null
where bucket = $1 and user_key = $2 and id > $3 and id <= $4 and (metadata is not null or key is not null);

-- name: lock_events_of
-- Events of an id that were received after $4 and until $5.
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events
where bucket = $1 and environment = $2 and user_id = $3 and received_at > $4 and received_at <= $5
order by message_id limit $6 for update;

-- name: scan_events
select id, type, raw, received_at from segment_events where environment = $1 and id > $2 order by id limit $3;

-- name: lock_events
select bucket, environment, message_id, id, type, user_id, event, status, reason, feature_id, rule_id, delta,
    happened_at, received_at, raw
from segment_events where environment = $1 and id = any($2::bigint[]) order by bucket, message_id for update;

-- name: clear_event
-- Its message may get another id ($4).
update segment_events set message_id = $4, user_id = $5, status = $6, reason = $7, raw = $8
where bucket = $1 and environment = $2 and message_id = $3;

-- name: scan_log
select id, at, subject_kind, subject_id, before, after from admin_log
where environment = $1 and id > $2 order by id limit $3;

-- name: lock_log_lines
select id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after
from admin_log where id = any($1::bigint[]) order by id for update;

-- name: clear_log_line
update admin_log set subject_id = $2, before = $3::json, after = $4::json where id = $1;

-- name: delete_former_ids
delete from former_ids where home_bucket = $1 and user_key = $2;

-- name: finish_deletion
update deleted_users set texts = null where bucket = $1 and user_key = $2;
