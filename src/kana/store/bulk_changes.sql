-- Jobs that move many users to another package, and their users.

-- fragment: bulk_change(c)
c.id, c.environment, c.key, c.digest, c.from_package_id, c.search, c.package_id, c.change_time, c.change_usage, c.state,
    c.actor_kind, c.actor_name, c.back_kind, c.back_name, c.begun_at, c.moved_at

-- name: add_bulk_change
-- Unless one was begun with the same key.
insert into bulk_changes (
    id, environment, key, digest, from_package_id, search, package_id, change_time, change_usage, state, actor_kind,
    actor_name, begun_at, moved_at
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
on conflict (environment, key) where key is not null do nothing;

-- name: find_bulk_change
select {bulk_change(c)} from bulk_changes as c where c.environment = $1 and c.key = $2;

-- name: load_bulk_change
select {bulk_change(c)} from bulk_changes as c where c.environment = $1 and c.id = $2;

-- name: lock_bulk_change
-- Locked to the end of the transaction.
select {bulk_change(c)} from bulk_changes as c where c.id = $1 for update;

-- name: list_bulk_changes
select {bulk_change(c)} from bulk_changes as c where c.environment = $1 order by c.id desc limit $2;

-- name: list_open_bulk_changes
select {bulk_change(c)} from bulk_changes as c where c.state in ('LISTING', 'RUNNING', 'TAKING_BACK') order by c.id;

-- name: move_bulk_change
-- Once the users are listed nobody needs to look for them.
update bulk_changes set state = $2, moved_at = $3, search = case when $2 = 'LISTING' then search else '' end
where id = $1;

-- name: take_bulk_change_back
update bulk_changes set state = 'TAKING_BACK', search = '', moved_at = $3, back_kind = $4, back_name = $5
where environment = $1 and id = $2 and state in ('LISTING', 'RUNNING', 'DONE');

-- name: count_listed
select coalesce(max(number), 0) from bulk_change_users where change_id = $1;

-- name: add_bulk_users
-- All of a list at once, as JSON: so many statements would take a server too long.
insert into bulk_change_users (bucket, user_key, change_id, number, user_id, outcome)
select (p.value ->> 0)::smallint, (p.value ->> 1)::bigint, $1::bigint, (p.value ->> 2)::bigint, p.value ->> 3, 'WAITING'
from json_array_elements($2::json) as p
where true
on conflict (bucket, user_key, change_id) do nothing;

-- name: next_waiting
-- With the present id of each user, null if there is none.
select r.bucket, r.user_key, r.old_id, r.new_id, r.old_ends_at, u.id from bulk_change_users as r
left join users as u on u.bucket = r.bucket and u.user_key = r.user_key
where r.change_id = $1 and r.outcome = 'WAITING' order by r.number limit $2;

-- name: next_to_take_back
select r.bucket, r.user_key, r.old_id, r.new_id, r.old_ends_at, u.id from bulk_change_users as r
left join users as u on u.bucket = r.bucket and u.user_key = r.user_key
where r.change_id = $1 and r.outcome = 'CHANGED' and r.back is null order by r.number limit $2;

-- name: settle_bulk_user
update bulk_change_users set outcome = $4, reason = $5, old_id = $6, new_id = $7, old_ends_at = $8
where bucket = $1 and user_key = $2 and change_id = $3;

-- name: settle_bulk_user_back
update bulk_change_users set back = $4, back_reason = $5 where bucket = $1 and user_key = $2 and change_id = $3;

-- name: count_bulk_users
select outcome, back, count(*) from bulk_change_users where change_id = $1 group by outcome, back;

-- fragment: bulk_user(r)
r.change_id, r.number, coalesce(u.id, r.user_id, d.id, m.id, ''), r.outcome, r.reason, r.back, r.back_reason

-- fragment: named(r)
-- With who they are, or what stands in place of that.
bulk_change_users as r
left join users as u on u.bucket = r.bucket and u.user_key = r.user_key
left join deleted_users as d on d.bucket = r.bucket and d.user_key = r.user_key
left join merged_users as m on m.bucket = r.bucket and m.user_key = r.user_key

-- name: list_bulk_users
select {bulk_user(r)} from {named(r)} where r.change_id = $1 and r.number > $2 order by r.number limit $3;

-- name: list_bulk_users_of_outcome
select {bulk_user(r)} from {named(r)}
where r.change_id = $1 and r.outcome = $4 and r.number > $2 order by r.number limit $3;

-- name: list_bulk_changes_of
-- What jobs have done with one user.
select {bulk_user(r)} from {named(r)} where r.bucket = $1 and r.user_key = $2 order by r.change_id;

-- name: clear_bulk_user
-- Why something was not done with a deleted user may say who they were; $4 stands in place of their id.
update bulk_change_users set
    user_id = $4,
    reason = case when reason is null then null else $3 end,
    back_reason = case when back_reason is null then null else $3 end
where bucket = $1 and user_key = $2;

-- name: clear_not_found
-- An id that was nobody's when a job began, and that a user had who is deleted.
update bulk_change_users set user_id = $4
where bucket = $1 and user_id = $3 and change_id in (select c.id from bulk_changes as c where c.environment = $2);
