-- Versions, locks and sharding of PostgreSQL. No user's data is read here.

-- name: load_server
select current_setting('server_version_num')::integer, current_setting('server_encoding'),
    exists (select from pg_extension where extname = 'citus');

-- name: lock_migrations
-- Held to the end of the transaction: if several processes start together, one migrates and the others wait.
select pg_advisory_xact_lock(1262570049);

-- name: schema_state
-- Whether Kana's schema exists, how many tables it has, and whether one of them has their version.
select to_regnamespace('kana') is not null,
    (select count(*) from pg_class where relnamespace = to_regnamespace('kana')::oid and relkind in ('r', 'p', 'v')),
    to_regclass('kana.schema_version') is not null;

-- name: create_schema
create schema if not exists kana;

-- name: create_schema_version
create table kana.schema_version (version integer not null);

-- name: load_schema_version
select coalesce(max(version), 0) from kana.schema_version;

-- name: add_schema_version
insert into kana.schema_version (version) values ($1);

-- name: distribute
-- On a database that has the citus extension: what a user owns is spread by bucket, so that all of one
-- user is on one shard, and the rest is everywhere. Run after each migration, for the tables that are new.
select create_distributed_table(c.oid::regclass, 'bucket') from pg_class as c
where c.relnamespace = 'kana'::regnamespace and c.relkind = 'r'
    and exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'bucket' and a.attnum > 0)
    and not exists (select from pg_dist_partition as p where p.logicalrelid = c.oid);
select create_reference_table(c.oid::regclass) from pg_class as c
where c.relnamespace = 'kana'::regnamespace and c.relkind = 'r'
    and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attname = 'bucket' and a.attnum > 0)
    and not exists (select from pg_dist_partition as p where p.logicalrelid = c.oid);

-- name: load_shards
-- Which shard each bucket is on, in the order of the buckets.
select get_shard_id_for_distribution_column('kana.entries', bucket::smallint)
from generate_series(0, $1::integer - 1) as bucket order by bucket;

-- name: lock_colleagues
-- Held to the end of the transaction: a change of colleagues sees all earlier ones.
select pg_advisory_xact_lock(1262570050);

-- name: share_rules
-- Held to the end of the transaction: events that are stored meanwhile were compared with the present rules.
select pg_advisory_xact_lock_shared(1262570051);

-- name: lock_rules
-- The same, exclusively: every event is stored either by the rules before the change or by those after it.
select pg_advisory_xact_lock(1262570051);

-- name: take_time
-- For work on whole tables: no time limit, and every kind of plan.
set local statement_timeout = 0;
set local idle_in_transaction_session_timeout = 0;
set local enable_seqscan = on;
set local enable_hashjoin = on;
set local enable_mergejoin = on;
set local plan_cache_mode = force_custom_plan;

-- name: ping
select 1 from kana.schema_version limit 1;

-- name: try_to_write
-- Changes nothing, but needs space on the disk like any write.
update kana.workspace set name = name;

-- name: load_setting
-- The value of a session setting; null if it was never set.
select current_setting($1, true);

-- name: load_settings
select name, current_setting(name, true) from unnest($1::text[]) as name;

-- name: set_settings
-- Set by a statement and not while connecting, which a pooler would refuse or drop.
select set_config(name, value, false) from unnest($1::text[], $2::text[]) as wanted (name, value);
