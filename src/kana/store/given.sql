-- What was given to one user: top-ups and overrides.

-- fragment: given(g)
g.id, g.kind, g.feature_id, g.units, g.overage_enabled, g.reset_period, g.denied, g.started_at, g.ends_at, g.reason, g.actor,
    g.created_at, g.key

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

-- name: find_given
-- Whose it is.
select u.id, g.user_key, {given(g)}
from given as g join users as u on u.bucket = g.bucket and u.user_key = g.user_key
where g.bucket = $1 and g.id = $2 and g.environment = $3;
