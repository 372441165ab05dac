-- Features and packages, a catalogue for each environment.

-- name: load_catalog_versions
select environment, catalog_version, catalog_change from environments;

-- name: lock_environment
-- Locks the catalogue and the settings to the end of the transaction.
select catalog_version from environments where environment = $1 for update;

-- name: raise_catalog_version
update environments set catalog_version = catalog_version + 1, catalog_change = $2 where environment = $1;

-- name: load_features
-- Those that have changed since a version ($2).
select id, name, type, unit_label, unit_label_plural, metadata, created_at
from features where environment = $1 and changed_in > $2 order by created_at, id;

-- name: load_packages
select id, name, is_addon, status, base_package_ids, prices, metadata, created_at, updated_at, features, trial_days
from packages where environment = $1 and changed_in > $2 order by created_at, id;

-- name: list_package_ids
select id from packages where environment = $1;

-- name: put_features
-- A whole change in one statement, so that its rows do not wait for the interpreter one by one.
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
    environment, id, name, is_addon, status, base_package_ids, prices, metadata, created_at, updated_at, features,
    trial_days, changed_in
)
select
    value ->> 0, value ->> 1, value ->> 2, (value ->> 3)::smallint, value ->> 4, (value ->> 5)::json,
    (value ->> 6)::json, (value ->> 7)::json, (value ->> 8)::bigint, (value ->> 9)::bigint,
    (value ->> 10)::json, (value ->> 11)::smallint, (value ->> 12)::bigint
from json_array_elements($1::json) where true
on conflict (environment, id) do update set
    name = excluded.name, is_addon = excluded.is_addon, status = excluded.status,
    base_package_ids = excluded.base_package_ids, prices = excluded.prices, metadata = excluded.metadata,
    updated_at = excluded.updated_at, features = excluded.features, trial_days = excluded.trial_days,
    changed_in = excluded.changed_in;

-- name: delete_packages
delete from packages
where (environment, id) in (select value ->> 0, value ->> 1 from json_array_elements($1::json));

-- name: count_subscribers
select s.package_id, count(*) from subscriptions as s where s.environment = $1 and {stands(s, $2)} group by s.package_id;

-- name: load_totals_over
-- Totals over a limit ($6) of the subscriptions that stand to a package, in periods that may hold now (from $7).
select {counting(s)}, c.period_start
from subscriptions as s
join counters as c on c.bucket = s.bucket and c.subscription_id = {counts_as(s)} and c.feature_id = $4
    and c.reset_period = $5 and c.period_start >= $7
where s.environment = $1 and s.package_id = $2 and {stands(s, $3)} and c.used > $6;

-- name: add_catalog_change
-- A change in progress; version 0 until it is decided.
insert into catalog_changes (id, environment, begun_at, version) values ($1, $2, $3, 0);

-- name: lock_catalog_change
-- Storing, merging or dropping a page locks the change to the end of the transaction.
select version from catalog_changes where id = $1 for update;

-- name: decide_catalog_change
update catalog_changes set version = $2 where id = $1;

-- name: delete_catalog_change
delete from catalog_changes where id = $1;

-- name: list_catalog_changes
-- Those that are decided or abandoned.
select id from catalog_changes where environment = $1 and (version > 0 or begun_at < $2) order by version;

-- name: has_decided_change
select 1 from catalog_changes where environment = $1 and version > 0 limit 1;

-- name: add_catalog_page
insert into catalog_pages (change_id, page, statement, listed) values ($1, $2, $3, $4);

-- name: load_catalog_page
select page, statement, listed from catalog_pages where change_id = $1 order by page limit 1;

-- name: load_catalog_pages
-- Pages of changes that were decided since a version ($2) and are not merged yet.
select p.statement, p.listed
from catalog_changes as c join catalog_pages as p on p.change_id = c.id
where c.environment = $1 and c.version > $2 and c.version > 0 order by p.page;

-- name: delete_catalog_page
delete from catalog_pages where change_id = $1 and page = $2;

-- name: delete_change_lines
delete from admin_log where id in (select id from admin_log where change_id = $1 limit $2);
