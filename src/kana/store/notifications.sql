-- Notifications of what has happened. Those who write one give it an id; those who read give it a position, after it is committed.

-- name: note_once
-- Touches no row if this was noted before.
insert into notified_once (bucket, once, environment) values ($1, $2, $3) on conflict (bucket, once) do nothing;

-- name: add_notification
-- With the id $2, or one after all of the user: the clock of the machine that wrote the last one may be ahead.
insert into notifications (bucket, id, user_key, environment, type, occurred_at, about)
select $1::smallint, case when known.last >= $2::bigint then known.last + 1 else $2::bigint end, $3::bigint, $4::text,
    $5::text, $6::bigint, $7::json
from (select max(n.id) as last from notifications as n where n.bucket = $1::smallint and n.user_key = $3::bigint) as known;

-- name: has_unplaced
select 1 from notifications where environment = $1 and position is null limit 1;

-- name: begin_positions
insert into notification_positions (environment, last) values ($1, 0) on conflict (environment) do nothing;

-- name: load_last_position
select last from notification_positions where environment = $1;

-- name: lock_positions
-- The last position that was given, and until when it was looked for what happens without a call. To give more, or to
-- look further, a transaction waits for the one before it to commit.
select last, looked_until from notification_positions where environment = $1 for update;

-- name: list_unplaced
-- Those that are committed and have no position.
select bucket, id from notifications where environment = $1 and position is null order by id limit $2;

-- name: place_notification
update notifications set position = $3 where bucket = $1 and id = $2;

-- name: move_positions
update notification_positions set last = $2 where environment = $1;

-- name: move_looked_until
update notification_positions set looked_until = $2 where environment = $1;

-- fragment: notification(n)
n.position, n.type, coalesce(u.id, d_u.id, m_u.id), n.occurred_at, n.about

-- fragment: user_of_notification(n)
left join users as u on u.bucket = n.bucket and u.user_key = n.user_key
left join deleted_users as d_u on d_u.bucket = n.bucket and d_u.user_key = n.user_key
left join merged_users as m on m.bucket = n.bucket and m.user_key = n.user_key
left join users as m_u on m_u.bucket = m.into_bucket and m_u.user_key = m.into_key

-- name: list_notifications
-- After a position, the oldest first, with the present id of the user: the one whom they were merged into, or what
-- stands in place of the id of one who was deleted.
select {notification(n)} from notifications as n {user_of_notification(n)}
where n.environment = $1 and n.position > $2 order by n.position limit $3;

-- name: has_old_notifications
select 1 from notifications where position is not null and occurred_at < $1 limit 1;

-- name: delete_notifications
-- Those that happened before $1, the oldest first.
delete from notifications where (bucket, id) in (
    select bucket, id from notifications where position is not null and occurred_at < $1 order by occurred_at limit $2
);

-- fragment: not_notified(n, what)
not exists (select 1 from notified_once as t where t.bucket = n.bucket and t.once = what || n.id::text)

-- name: list_ending
-- Subscriptions that end after $1 and until $2, as far as $3 is not noted of them.
select s.bucket, s.user_key, {subscription(s)} from subscriptions as s
where s.environment = $4 and s.ends_at > $1 and s.ends_at <= $2 and {not_notified(s, $3::text)} order by s.ends_at limit $5;

-- name: list_starting
-- Subscriptions that were given a start after $1 and until $2.
select s.bucket, s.user_key, {subscription(s)} from subscriptions as s
where s.environment = $4 and s.scheduled = 1 and s.started_at > $1 and s.started_at <= $2 and {not_notified(s, $3::text)}
order by s.started_at limit $5;

-- name: list_trials_ending
select s.bucket, s.user_key, {subscription(s)} from subscriptions as s
where s.environment = $4 and s.trial_ends_at > $1 and s.trial_ends_at <= $2 and {not_notified(s, $3::text)}
order by s.trial_ends_at limit $5;

-- name: list_top_ups_ending
select g.bucket, g.user_key, {given(g)} from given as g
where g.environment = $4 and g.kind = 'TOP_UP' and g.ends_at > $1 and g.ends_at <= $2 and {not_notified(g, $3::text)}
order by g.ends_at limit $5;

-- name: list_reservations_ending
select r.bucket, r.user_key, {reservation(r)} from reservations as r
where r.environment = $4 and r.closed_as is null and r.ends_at > $1 and r.ends_at <= $2 and {not_notified(r, $3::text)}
order by r.ends_at limit $5;
