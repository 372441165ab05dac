-- Features and packages, a catalogue for each environment.

-- name: load_catalog_versions
select environment, catalog_version, catalog_change from environments;

-- name: lock_environment
-- Nobody else changes the catalogue or the settings before the transaction ends.
select catalog_version from environments where environment = $1 for update;

-- name: raise_catalog_version
update environments set catalog_version = catalog_version + 1, catalog_change = $2 where environment = $1;

-- name: load_features
-- Those that were changed since a version ($2).
select id, name, type, unit_label, unit_label_plural, metadata, created_at
from features where environment = $1 and changed_in > $2 order by created_at, id;

-- name: load_packages
select id, name, is_addon, status, base_package_ids, prices, metadata, created_at, updated_at, features
from packages where environment = $1 and changed_in > $2 order by created_at, id;

-- name: list_package_ids
select id from packages where environment = $1;

-- name: put_features
-- All of a change in one statement: none of its rows waits for its turn with the interpreter.
insert into features (
    environment, id, name, type, unit_label, unit_label_plural, metadata, created_at, changed_in
)
select
    value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5,
    (value ->> 6)::json, (value ->> 7)::bigint, (value ->> 8)::bigint
from json_array_elements($1::json) where true
on conflict (environment, id) do update set
    name = excluded.name, unit_label = excluded.unit_label, unit_label_plural = excluded.unit_label_plural,
    metadata = excluded.metadata, changed_in = excluded.changed_in;

-- name: put_packages
insert into packages (
    environment, id, name, is_addon, status, base_package_ids, prices, metadata, created_at, updated_at, features, changed_in
)
select
    value ->> 0, value ->> 1, value ->> 2, (value ->> 3)::smallint, value ->> 4, (value ->> 5)::json,
    (value ->> 6)::json, (value ->> 7)::json, (value ->> 8)::bigint, (value ->> 9)::bigint,
    (value ->> 10)::json, (value ->> 11)::bigint
from json_array_elements($1::json) where true
on conflict (environment, id) do update set
    name = excluded.name, is_addon = excluded.is_addon, status = excluded.status,
    base_package_ids = excluded.base_package_ids, prices = excluded.prices, metadata = excluded.metadata,
    updated_at = excluded.updated_at, features = excluded.features, changed_in = excluded.changed_in;

-- name: delete_packages
delete from packages where environment = $1 and id = any($2::text[]);

-- name: count_subscribers
select package_id, count(*) from subscriptions
where environment = $1 and status not in ('CANCELLED', 'INCOMPLETE_EXPIRED') and (ends_at is null or ends_at > $2)
group by package_id;

-- name: load_totals_over
-- Totals over a limit ($6) of the subscriptions that stand to a package, in periods that may hold now (from $7).
select s.started_at, c.period_start
from subscriptions as s
join counters as c on c.bucket = s.bucket and c.subscription_id = s.id and c.feature_id = $4
    and c.reset_period = $5 and c.period_start >= $7
where s.environment = $1 and s.package_id = $2 and s.status not in ('CANCELLED', 'INCOMPLETE_EXPIRED')
    and (s.ends_at is null or s.ends_at > $3) and c.used > $6;
