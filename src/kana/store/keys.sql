-- Keys, settings of environments, signing secrets.

-- name: load_workspace
select name from workspace;

-- name: load_address
select address from workspace;

-- name: change_address
update workspace set address = $1 where one = 1;

-- name: load_environments
select environment, app_id, requires_secure_mode, time_zone from environments;

-- name: load_keys
select hash, environment, kind, prefix, last_four, name, created_at, revoked_at, used_at from keys;

-- name: load_signing_secrets
select id, environment, secret, created_at, revoked_at from signing_secrets order by id;

-- name: add_workspace
insert into workspace (one, name, created_at) values (1, $1, $2);

-- name: add_environment
insert into environments (environment, app_id, requires_secure_mode, time_zone, catalog_version)
values ($1, $2, $3, $4, 0);

-- name: change_environment
update environments set app_id = $2, requires_secure_mode = $3, time_zone = $4 where environment = $1;

-- name: add_key
insert into keys (hash, environment, kind, prefix, last_four, name, created_at, revoked_at)
values ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: revoke_key
update keys set revoked_at = $2 where hash = $1 and revoked_at is null;

-- name: use_key
-- With several processes the latest use is kept.
update keys set used_at = case when used_at > $2 then used_at else $2 end where hash = $1;

-- name: add_signing_secret
insert into signing_secrets (id, environment, secret, created_at, revoked_at) values ($1, $2, $3, $4, $5);

-- name: revoke_signing_secret
update signing_secrets set revoked_at = $2 where id = $1 and revoked_at is null;

-- name: change_signing_secret
-- The same secret, sealed again.
update signing_secrets set secret = $2 where id = $1;

-- name: forget_signing_secret
delete from signing_secrets where id = $1;
