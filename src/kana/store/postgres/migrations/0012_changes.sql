-- What a package holds stands in its own row, in order: [feature, name, limit, overage, reset period]. A row for each
-- feature of each package made a publish write and read two hundred times as many rows.
alter table packages add column features json not null default '[]';

update packages set features = coalesce((
    select json_agg(json_build_array(feature_id, name, unit_limit, overage_enabled, reset_period) order by position)
    from package_features as f where f.environment = packages.environment and f.package_id = packages.id
), '[]');

alter table packages alter column features drop default;

drop table package_features;

-- The version of the catalogue that a feature or package was changed in, so that a change is read without the rest.
alter table features add column changed_in bigint not null default 0;
alter table packages add column changed_in bigint not null default 0;

create index features_by_change on features (environment, changed_in);
create index packages_by_change on packages (environment, changed_in);
