-- What is agreed on when subscribing. `scheduled`: the start was given for later, so nothing is allowed before.
-- `ends_with_base`: an add-on ends because its base package does. Periods are counted from `anchor_at`, or by the
-- calendar of the time zone `calendar`, or if both are null from the start. A subscription that goes on with another
-- one's counters has that one's id in `counts_as` and the start of its first period in `counted_from`.
alter table subscriptions add column ends_with_base smallint not null default 0;
alter table subscriptions add column scheduled smallint not null default 0;
alter table subscriptions add column trial_ends_at bigint;
alter table subscriptions add column anchor_at bigint;
alter table subscriptions add column calendar text;
alter table subscriptions add column counts_as bigint;
alter table subscriptions add column counted_from bigint;
