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

-- name: load_packages_then
-- Of each package that was changed by a line from $2 on, what the first of them says that it was before.
select subject_id, before from admin_log
where id in (
    select min(id) from admin_log
    where environment = $1 and subject_kind = 'package' and id >= $2
        and not exists (select 1 from catalog_changes as c where c.id = change_id and c.version = 0)
    group by subject_id
) and before is not null;

-- name: list_log
-- Without the lines of a change of the catalogue that is not decided yet.
select id, environment, at, actor_kind, actor_name, action, subject_kind, subject_id, before, after
from admin_log
where id < $2 and (environment = $1 or (environment is null and $5::boolean))
    and ($3::text is null or subject_id = $3)
    and not exists (select 1 from catalog_changes as c where c.id = change_id and c.version = 0)
order by id desc limit $4;
