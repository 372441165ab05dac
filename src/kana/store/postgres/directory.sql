-- Statements over many users at once, for those who look after them; SQLite has the same names, and none
-- for locks and for rows by the thousand.

-- name: list_users_by_id
-- Users in an order, from those after $2 and the id $3: the ones of whom something begins with $4, and
-- who hold a package ($5) at a moment ($6), if one is named.
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version
from users as u
where u.environment = $1 and $2::text = '' and u.id > $3
    and (
        substr(lower(u.id), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.name, '') collate "C"), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.email, '') collate "C"), 1, length($4::text)) = $4::text
    )
    and ($5::text is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = $5
            and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (s.ends_at is null or s.ends_at > $6)
    ))
order by u.id limit $7;

-- name: list_users_by_name
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version
from users as u
where u.environment = $1 and lower(coalesce(u.name, '') collate "C") >= $2::text
    and (lower(coalesce(u.name, '') collate "C") > $2::text or u.id > $3)
    and (
        substr(lower(u.id), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.name, '') collate "C"), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.email, '') collate "C"), 1, length($4::text)) = $4::text
    )
    and ($5::text is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = $5
            and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (s.ends_at is null or s.ends_at > $6)
    ))
order by lower(coalesce(u.name, '') collate "C"), u.id limit $7;

-- name: list_users_by_email
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version
from users as u
where u.environment = $1 and lower(coalesce(u.email, '') collate "C") >= $2::text
    and (lower(coalesce(u.email, '') collate "C") > $2::text or u.id > $3)
    and (
        substr(lower(u.id), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.name, '') collate "C"), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.email, '') collate "C"), 1, length($4::text)) = $4::text
    )
    and ($5::text is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = $5
            and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (s.ends_at is null or s.ends_at > $6)
    ))
order by lower(coalesce(u.email, '') collate "C"), u.id limit $7;

-- name: list_users_by_age
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version
from users as u
where u.environment = $1 and (u.created_at, u.id) < ($2::bigint, $3)
    and (
        substr(lower(u.id), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.name, '') collate "C"), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.email, '') collate "C"), 1, length($4::text)) = $4::text
    )
    and ($5::text is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = $5
            and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (s.ends_at is null or s.ends_at > $6)
    ))
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
        where u.environment = $1 and lower(coalesce(u.name, '') collate "C") >= $2
            and lower(coalesce(u.name, '') collate "C") < $3 limit $6
    ) as found
    union
    select * from (
        select u.bucket, u.user_key from users as u
        where u.environment = $1 and lower(coalesce(u.email, '') collate "C") >= $2
            and lower(coalesce(u.email, '') collate "C") < $3 limit $6
    ) as found
)
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version,
    $4::text is null or exists (
        select 1 from subscriptions as s
        where s.bucket = u.bucket and s.user_key = u.user_key and s.package_id = $4
            and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (s.ends_at is null or s.ends_at > $5)
    ) as fits
from found as f join users as u on u.bucket = f.bucket and u.user_key = f.user_key;

-- name: find_users_of_package
-- So many of those who hold a package, and whether something of each begins with a text.
with found as (
    select s.bucket, s.user_key from subscriptions as s
    where s.environment = $1 and s.package_id = $2 and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED')
        and (s.ends_at is null or s.ends_at > $3)
    limit $5
)
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version,
    (
        substr(lower(u.id), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.name, '') collate "C"), 1, length($4::text)) = $4::text
        or substr(lower(coalesce(u.email, '') collate "C"), 1, length($4::text)) = $4::text
    ) as fits
from found as f join users as u on u.bucket = f.bucket and u.user_key = f.user_key;

-- name: load_users
select u.bucket, u.user_key, u.environment, u.id, u.billing_id, u.name, u.email, u.metadata, u.created_at,
    u.token_version
from unnest($1::text::smallint[], $2::text::bigint[]) as w (bucket, user_key)
join users as u on u.bucket = w.bucket and u.user_key = w.user_key;
