-- Subscriptions. The rules of model/subscription.py by which statements look for them stand here, each once;
-- a test compares every one of them with the model.

-- fragment: may_stand(s)
-- It has no end, or ends later.
s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED')

-- fragment: stands(s, moment)
({may_stand(s)} and {lasts(s, moment)})

-- fragment: gives_access(s, moment)
(s.status in ('ACTIVE', 'TRIALING') and {lasts(s, moment)} and {has_begun(s, moment)})

-- fragment: lasts(s, moment)
(s.ends_at is null or s.ends_at > moment)

-- fragment: has_begun(s, moment)
-- Only a start that was given for later keeps anybody waiting.
(s.scheduled = 0 or s.started_at <= moment)

-- fragment: ever_gave_access(s)
(
    s.status in ('ACTIVE', 'TRIALING', 'CANCELLED')
    and (s.started_at < s.ends_at or (s.ends_at is null and s.status <> 'CANCELLED'))
)

-- fragment: gave_access_between(s, first, after)
-- At a moment from the first to before another.
({ever_gave_access(s)} and s.started_at < after and {lasts(s, first)})

-- fragment: subscription(s)
s.id, s.package_id, s.status, s.started_at, s.ends_at, s.ends_with_base, s.own_ends_at, s.scheduled,
    s.trial_ends_at, s.anchor_at, s.calendar, s.counts_as, s.counted_from, s.brought

-- fragment: counts_as(s)
-- Under which subscription's id its usage is counted.
coalesce(s.counts_as, s.id)

-- fragment: counting(s)
-- What its periods follow from: the beginning of the first, and what they are counted from if not that.
coalesce(s.counted_from, s.started_at), s.anchor_at, s.calendar

-- name: put_subscription
insert into subscriptions (
    bucket, user_key, id, environment, package_id, status, started_at, ends_at, ends_with_base, own_ends_at,
    scheduled, trial_ends_at, anchor_at, calendar, counts_as, counted_from, brought
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict (bucket, user_key, id) do update set
    status = excluded.status, ends_at = excluded.ends_at, ends_with_base = excluded.ends_with_base,
    own_ends_at = excluded.own_ends_at;

-- name: load_subscription
select u.id, s.bucket, s.user_key, {subscription(s)}
from subscriptions as s
join users as u on u.bucket = s.bucket and u.user_key = s.user_key
where s.bucket = $1 and s.id = $2 and s.environment = $3;

-- name: load_subscriptions_of
-- All subscriptions of an account, ended or not; the oldest first.
select {subscription(s)} from subscriptions as s where s.bucket = $1 and s.user_key = $2 order by s.id;

-- name: list_subscriptions
select u.id, s.bucket, s.user_key, {subscription(s)}
from subscriptions as s
join users as u on u.bucket = s.bucket and u.user_key = s.user_key
where s.environment = $1 and s.id > $2 order by s.id limit $3;

-- name: list_subscriptions_of
select u.id, s.bucket, s.user_key, {subscription(s)}
from users as u
join subscriptions as s on s.bucket = u.bucket and s.user_key = u.user_key
where u.bucket = $1 and u.user_key = $2 and s.id > $3 order by s.id limit $4;
