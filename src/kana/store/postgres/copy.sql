-- Whole tables, for `kana copy`. {table} stands for what the database itself says that it has.

-- name: list_tables
select relname from pg_class
where relnamespace = 'kana'::regnamespace and relkind in ('r', 'p') and relname <> 'schema_version'
order by relname;

-- name: read_table
select * from {table};
