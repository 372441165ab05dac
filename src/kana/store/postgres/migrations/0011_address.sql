-- Where a server of this database was last started, for links that commands beside it print; null where none was.
alter table workspace add column address text;
