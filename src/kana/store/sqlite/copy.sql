-- Whole tables, for `kana copy`. {table}, {columns} and {marks} stand for what the database itself says
-- that it has.

-- name: list_tables
select name from sqlite_schema where type = 'table' order by name;

-- name: list_columns
select name from pragma_table_info(?1) order by cid;

-- name: read_table
select * from {table};

-- name: write_rows
insert into {table} ({columns}) values ({marks});
