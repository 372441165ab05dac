-- What was given to one user: top-ups and overrides.

-- fragment: given(g)
g.id, g.kind, g.feature_id, g.units, g.overage_enabled, g.reset_period, g.denied, g.started_at, g.ends_at, g.reason, g.actor,
    g.created_at, g.key

-- fragment: given_holds(g, moment)
((g.ends_at is null or g.ends_at > moment) and g.started_at <= moment)

-- fragment: limit_of(g)
case g.denied when 0 then g.units else 0 end

-- fragment: used_of(g)
coalesce((
        select c.used from counters as c
        where c.bucket = g.bucket and c.subscription_id = g.id and c.feature_id = g.feature_id
            and c.reset_period = g.reset_period and c.period_start = g.started_at and g.kind = 'TOP_UP'
    ), 0)

-- name: put_given
-- Nothing but the end of what was given can change.
insert into given (
    bucket, user_key, id, environment, kind, feature_id, units, overage_enabled, reset_period, denied, started_at, ends_at,
    reason, actor, created_at, key
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
on conflict (bucket, user_key, id) do update set ends_at = excluded.ends_at;

-- name: load_given
-- All that one user was ever given, the oldest first.
select {given(g)} from given as g where g.bucket = $1 and g.user_key = $2 order by g.id;

-- name: list_given
-- What of one kind was given to one user, the oldest first, and how much of a top-up is used.
select {used_of(g)}, {given(g)}
from given as g where g.bucket = $1 and g.user_key = $2 and g.kind = $3 and g.id > $4
order by g.id limit $5;

-- name: find_given
-- Whose it is, and how much of a top-up is used. The id of somebody who was merged leads to whoever they were merged into.
select coalesce(m.id, u.id), g.user_key, {used_of(g)}, {given(g)}
from given as g
left join merged_users as m on m.bucket = g.bucket and m.user_key = g.user_key
left join users as u on u.bucket = g.bucket and u.user_key = g.user_key
where g.bucket = $1 and g.id = $2 and g.environment = $3 and coalesce(m.id, u.id) is not null;
