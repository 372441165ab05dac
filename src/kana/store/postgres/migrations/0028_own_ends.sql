-- When an add-on that ends because its base package does would end later without that; null where it would not.
alter table subscriptions add column own_ends_at bigint;
