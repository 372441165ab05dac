-- Statements that search among many users.

-- fragment: folded(text)
-- In the form that the indexes have.
lower(coalesce(text, '') collate "C")

-- fragment: begins(u, prefix)
-- A field of a user begins with a text.
(
    substr(lower(u.id), 1, length(prefix)) = prefix
    or substr({folded(u.name)}, 1, length(prefix)) = prefix
    or substr({folded(u.email)}, 1, length(prefix)) = prefix
)

-- fragment: holds(u, package, moment)
-- A user has a package at a moment, if one is named.
(
    package is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = package and {stands(s, moment)}
    )
)

-- name: list_users_by_id
-- Users in an order, from those after $2 and the id $3: the ones of whom something begins with $4, and
-- who hold a package ($5) at a moment ($6), if one is named.
select {user(u)} from users as u
where u.environment = $1 and $2::text = '' and u.id > $3 and {begins(u, $4::text)} and {holds(u, $5::text, $6)}
order by u.id limit $7;

-- name: list_users_by_name
select {user(u)} from users as u
where u.environment = $1 and {folded(u.name)} >= $2::text and ({folded(u.name)} > $2::text or u.id > $3)
    and {begins(u, $4::text)} and {holds(u, $5::text, $6)}
order by {folded(u.name)}, u.id limit $7;

-- name: list_users_by_email
select {user(u)} from users as u
where u.environment = $1 and {folded(u.email)} >= $2::text and ({folded(u.email)} > $2::text or u.id > $3)
    and {begins(u, $4::text)} and {holds(u, $5::text, $6)}
order by {folded(u.email)}, u.id limit $7;

-- name: list_users_by_age
select {user(u)} from users as u
where u.environment = $1 and (u.created_at, u.id) < ($2::bigint, $3)
    and {begins(u, $4::text)} and {holds(u, $5::text, $6)}
order by u.created_at desc, u.id desc limit $7;

-- name: find_users_by_text
-- Those of whom something begins with a text, and whether each holds a package ($4); of so many ($6) by each column.
with found as (
    select * from (
        select u.bucket, u.user_key from users as u
        where u.environment = $1 and lower(u.id) >= $2 and lower(u.id) < $3 limit $6
    ) as found
    union
    select * from (
        select u.bucket, u.user_key from users as u
        where u.environment = $1 and {folded(u.name)} >= $2 and {folded(u.name)} < $3 limit $6
    ) as found
    union
    select * from (
        select u.bucket, u.user_key from users as u
        where u.environment = $1 and {folded(u.email)} >= $2 and {folded(u.email)} < $3 limit $6
    ) as found
)
select {user(u)}, {holds(u, $4::text, $5)} as fits
from found as f join users as u on u.bucket = f.bucket and u.user_key = f.user_key;

-- name: find_users_of_package
-- At most so many users with a package, and whether a field of each begins with a text.
with found as (
    select s.bucket, s.user_key from subscriptions as s
    where s.environment = $1 and s.package_id = $2 and {stands(s, $3)} limit $5
)
select {user(u)}, {begins(u, $4::text)} as fits
from found as f join users as u on u.bucket = f.bucket and u.user_key = f.user_key;
