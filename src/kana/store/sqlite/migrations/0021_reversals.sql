-- The id of the line that this one undoes; null for nearly all.
alter table entries add column reverses integer;
