-- The journal of imports gets the name that the rest calls it by.
alter table rosters rename to user_imports;
alter table roster_pages rename to user_import_pages;
alter table user_import_pages rename column roster_id to import_id;
