-- Colleagues of the dashboard, their sessions and invitations, and tries to sign in.

-- name: load_colleagues
select email, role, password_hash, created_at, disabled_at from people order by created_at, email;

-- name: put_colleague
insert into people (email, role, password_hash, created_at, disabled_at) values ($1, $2, $3, $4, $5)
on conflict (email) do update set
    role = excluded.role, password_hash = excluded.password_hash, disabled_at = excluded.disabled_at;

-- name: delete_stale_invitations
delete from invitations where expires_at <= $2 or coalesce(email, '') = coalesce($1::text, '');

-- name: add_invitation
insert into invitations (hash, email, role, expires_at, invited_by) values ($1, $2, $3, $4, $5);

-- name: load_invitations
select hash, email, role, expires_at, invited_by from invitations order by expires_at, hash;

-- name: load_invitation
select hash, email, role, expires_at, invited_by from invitations where hash = $1;

-- name: load_invitation_to
select hash, email, role, expires_at, invited_by from invitations where email = $1;

-- name: take_invitation
delete from invitations where hash = $1 returning hash, email, role, expires_at, invited_by;

-- name: delete_stale_sessions
delete from sessions where seen_at <= $1 or started_at <= $2;

-- name: add_session
-- Only if the colleague is still enabled and has the password that was checked.
insert into sessions (hash, email, started_at, seen_at)
select $1::bytea, email, $3::bigint, $4::bigint from people
where email = $2 and disabled_at is null and coalesce(password_hash, '') = $5::text;

-- name: load_session
select s.hash, s.email, s.started_at, s.seen_at, p.email, p.role, p.password_hash, p.created_at, p.disabled_at
from sessions as s join people as p on p.email = s.email where s.hash = $1;

-- name: touch_session
update sessions set seen_at = $2 where hash = $1 and seen_at < $2;

-- name: delete_session
delete from sessions where hash = $1;

-- name: delete_sessions_of
delete from sessions where email = $1;

-- name: load_try
select tries, last_at from sign_in_tries where key = $1;

-- name: put_try
insert into sign_in_tries (key, tries, last_at) values ($1, $2, $3)
on conflict (key) do update set tries = excluded.tries, last_at = excluded.last_at;

-- name: delete_stale_tries
delete from sign_in_tries where last_at <= $1;

-- name: delete_excess_tries
delete from sign_in_tries
where last_at < (select last_at from sign_in_tries order by last_at desc limit 1 offset $1::bigint);

-- name: delete_tries
delete from sign_in_tries where key = $1;
