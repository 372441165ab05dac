-- Few entries are costs: what a credit was spent on is read without looking at the others.
create index entries_of_costs on entries (environment, feature_id, recorded_at) where line ->> 3 is not null;
