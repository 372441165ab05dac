-- Users, and where the data of each is stored.

-- fragment: user(u)
u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at, u.token_version,
    u.time_zone

-- name: load_user_ref
select home_bucket, user_key, led_to from user_ids where bucket = $1 and environment = $2 and id = $3;

-- name: lock_user_ref
-- Locks the user: nobody else decides on their data or changes their id before the transaction ends.
select home_bucket, user_key, led_to from user_ids where bucket = $1 and environment = $2 and id = $3 for update;

-- name: add_user_id
-- Unless its last user is still being deleted.
insert into user_ids (bucket, environment, id, home_bucket, user_key)
select $1::smallint, $2::text, $3::text, $4::smallint, $5::bigint
where not exists (
    select 1 from former_ids where bucket = $1::smallint and environment = $2::text and id = $3::text and is_leaving = 1
)
on conflict (bucket, environment, id) do nothing;

-- name: delete_user_id
delete from user_ids where bucket = $1 and environment = $2 and id = $3;

-- name: put_user
insert into users (bucket, user_key, environment, id, billing_id, name, email, metadata, created_at, time_zone)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
on conflict (bucket, user_key) do update set
    id = excluded.id, billing_id = excluded.billing_id, name = excluded.name,
    email = excluded.email, metadata = excluded.metadata, time_zone = excluded.time_zone;

-- name: load_time_zone
-- That of a calendar for which none is named: the user's own, or the environment's.
select coalesce(u.time_zone, e.time_zone)
from users as u
join environments as e on e.environment = u.environment
where u.bucket = $1 and u.user_key = $2;

-- name: raise_token_version
update users set token_version = token_version + 1 where bucket = $1 and user_key = $2;

-- name: load_user_by_key
select {user(u)} from users as u where u.bucket = $1 and u.user_key = $2 and u.environment = $3;

-- name: load_user_refs_by_id
-- With the id that leads to each: one that was merged leads to the user whom it was merged into.
select home_bucket, user_key, id from user_ids
where environment = $1 and bucket = any($2::smallint[]) and id = any($3::text[]);

-- name: load_users_by_keys
-- A key is one user's alone.
select {user(u)} from users as u
where u.environment = $1 and u.bucket = any($2::smallint[]) and u.user_key = any($3::bigint[]);

-- name: lock_users_by_keys
-- The same, locked to the end of the transaction.
select {user(u)} from users as u
where u.environment = $1 and u.bucket = any($2::smallint[]) and u.user_key = any($3::bigint[])
order by u.bucket, u.user_key for update;

-- name: load_users_by_email
-- Those that the billing provider knows, the oldest first.
select {user(u)} from users as u where u.environment = $1 and u.email = $2 and u.billing_id is not null
order by u.created_at, u.user_key limit $3;

-- name: list_users
select {user(u)} from users as u where u.environment = $1 and u.id > $2 order by u.id limit $3;
