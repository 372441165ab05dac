-- The journal of imports of users that are in progress.

-- name: add_import
insert into user_imports (
    id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
) values ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0);

-- name: move_import
-- Storing or merging a page locks the import to the end of the transaction.
update user_imports set moved_at = $2 where id = $1 and is_decided = $3;

-- name: decide_import
update user_imports set moved_at = $2, is_decided = 1 where id = $1;

-- name: count_merged
update user_imports set made = made + $2, changed = changed + $3 where id = $1;

-- name: load_import
select id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
from user_imports where id = $1;

-- name: list_imports
select id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
from user_imports order by id;

-- name: delete_import
delete from user_imports where id = $1;

-- name: add_import_page
insert into user_import_pages (import_id, page, listed) values ($1, $2, $3);

-- name: load_import_page
select page, listed from user_import_pages where import_id = $1 order by page limit 1;

-- name: delete_import_page
delete from user_import_pages where import_id = $1 and page = $2;

-- name: count_user_ids
-- How many of these ids belong to these users.
select count(*) from user_ids
where environment = $1 and bucket = any($2::smallint[]) and id = any($3::text[]) and user_key = any($4::bigint[]);
