-- The version of the catalogue that a feature or package was changed in, so that a change is read without the rest.
alter table features add column changed_in bigint not null default 0;
alter table packages add column changed_in bigint not null default 0;

create index features_by_change on features (environment, changed_in);
create index packages_by_change on packages (environment, changed_in);
