-- What users have set aside.

-- fragment: reservation(r)
r.id, r.bucket, r.user_key, r.environment, r.lines, r.created_at, r.ends_at, r.closed_as, r.closed_at

-- name: put_reservation
insert into reservations (id, bucket, user_key, environment, lines, created_at, ends_at, closed_as, closed_at)
values ($1, $2, $3, $4, $5::json, $6, $7, $8, $9)
on conflict (bucket, id) do update set
    lines = excluded.lines, ends_at = excluded.ends_at, closed_as = excluded.closed_as, closed_at = excluded.closed_at;

-- name: load_reservation
select {reservation(r)} from reservations as r where r.bucket = $1 and r.id = $2;

-- name: load_ended_reservations
-- Those of a user that have ended by $3, and of which nobody has taken note yet.
select {reservation(r)} from reservations as r
where r.bucket = $1 and r.user_key = $2 and r.closed_as is null and r.ends_at <= $3 order by r.ends_at, r.id;

-- name: load_holds_end
-- When the first reservation of a user ends of those that are not closed.
select min(r.ends_at) from reservations as r where r.bucket = $1 and r.user_key = $2 and r.closed_as is null;

-- name: list_reservations
-- All of a user, the newest first, before the one with an id.
select {reservation(r)} from reservations as r
where r.bucket = $1 and r.user_key = $2 and ($3::bigint is null or r.id < $3) order by r.id desc limit $4;

-- name: list_open_reservations
-- Those of a user that are open at $3, the first to end first.
select {reservation(r)} from reservations as r
where r.bucket = $1 and r.user_key = $2 and r.closed_as is null and r.ends_at > $3 order by r.ends_at, r.id limit $4;

-- name: find_reservation_owner
-- The id of somebody who was merged leads to whoever they were merged into.
select coalesce(m.id, u.id) from reservations as r
left join merged_users as m on m.bucket = r.bucket and m.user_key = r.user_key
left join users as u on u.bucket = r.bucket and u.user_key = r.user_key
where r.bucket = $1 and r.id = $2 and r.environment = $3;
