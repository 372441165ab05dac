-- The journal of rosters on their way into the users.

-- name: add_roster
insert into rosters (
    id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
) values ($1, $2, $3, $4, $5, $6, $7, 0, 0, 0);

-- name: move_roster
-- Whoever keeps or merges a page has the roster for itself to the end of the transaction.
update rosters set moved_at = $2 where id = $1 and is_decided = $3;

-- name: decide_roster
update rosters set moved_at = $2, is_decided = 1 where id = $1;

-- name: count_merged
update rosters set made = made + $2, changed = changed + $3 where id = $1;

-- name: load_roster
select id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
from rosters where id = $1;

-- name: list_rosters
select id, environment, source, actor_kind, actor_name, begun_at, moved_at, is_decided, made, changed
from rosters order by id;

-- name: delete_roster
delete from rosters where id = $1;

-- name: add_roster_page
insert into roster_pages (roster_id, page, listed) values ($1, $2, $3);

-- name: load_roster_page
select page, listed from roster_pages where roster_id = $1 order by page limit 1;

-- name: delete_roster_page
delete from roster_pages where roster_id = $1 and page = $2;

-- name: count_user_ids
-- How many of these ids are those of these users.
select count(*) from user_ids
where environment = $1 and bucket = any($2::smallint[]) and id = any($3::text[]) and user_key = any($4::bigint[]);
