-- What the store says to PostgreSQL about itself: versions, locks, sharding. No user's data here.

-- name: load_server
select current_setting('server_version_num')::integer, current_setting('server_encoding'),
    exists (select from pg_extension where extname = 'citus');

-- name: lock_migrations
-- Held to the end of the transaction: of processes that start at once one migrates, the others wait for it.
select pg_advisory_xact_lock(1262570049);

-- name: schema_state
-- Whether our schema is there, how many tables it has, and whether one says which version they are.
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
-- For a database that has the citus extension: what a user owns is spread by bucket, the rest is everywhere.
select create_distributed_table('kana.users', 'bucket');
select create_distributed_table('kana.user_ids', 'bucket', colocate_with => 'kana.users');
select create_distributed_table('kana.subscriptions', 'bucket', colocate_with => 'kana.users');
select create_distributed_table('kana.entries', 'bucket', colocate_with => 'kana.users');
select create_distributed_table('kana.counters', 'bucket', colocate_with => 'kana.users');
select create_reference_table('kana.workspace');
select create_reference_table('kana.environments');
select create_reference_table('kana.keys');
select create_reference_table('kana.signing_secrets');
select create_reference_table('kana.admin_log');
select create_reference_table('kana.features');
select create_reference_table('kana.packages');
select create_reference_table('kana.package_features');

-- name: load_shards
-- Which shard each bucket is on, in the order of the buckets.
select get_shard_id_for_distribution_column('kana.entries', bucket::smallint)
from generate_series(0, $1::integer - 1) as bucket order by bucket;

-- name: take_time
-- For work over whole tables: no time limit, and every kind of plan.
set local statement_timeout = 0;
set local enable_seqscan = on;
set local enable_hashjoin = on;
set local enable_mergejoin = on;
set local plan_cache_mode = force_custom_plan;

-- name: ping
select 1 from kana.schema_version limit 1;
