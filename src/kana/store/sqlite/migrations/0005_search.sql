-- Users are searched by what their id, name or e-mail begins with, and listed in the order of each.
-- Letters of the Latin alphabet are compared without their case, as in every database alike.
create index users_by_lower_id on users (environment, lower(id));
create index users_by_name on users (environment, lower(coalesce(name, '')), id);
create index users_by_email on users (environment, lower(coalesce(email, '')), id);
create index users_by_age on users (environment, created_at, id);
