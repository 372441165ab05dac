-- The administrative log.

-- name: add_log_line
insert into admin_log (
    id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: add_log_lines
insert into admin_log (
    id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after, change_id
)
select
    (value ->> 0)::bigint, value ->> 1, (value ->> 2)::bigint, value ->> 3, value ->> 4, value ->> 5,
    value ->> 6, value ->> 7, (value ->> 8)::json, (value ->> 9)::json,
    (value ->> 10)::bigint
from json_array_elements($1::json);

-- name: list_log
-- Without the lines of a change of the catalogue that is not decided yet.
select id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after
from admin_log
where id < $2 and (environment = $1 or (environment is null and $5::boolean))
    and ($3::text is null or subject_id = $3)
    and not exists (select 1 from catalog_changes as c where c.id = change_id and c.version = 0)
order by id desc limit $4;
