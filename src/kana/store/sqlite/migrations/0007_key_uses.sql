-- When a key was last let in, at most a minute behind; null for never.
alter table keys add column used_at integer;
