-- Totals of another subscription, under the id in `counts_as`, that count in the period in which this one starts:
-- a list of a feature's id, its reset period and the start of the period, as JSON; null if there are none.
alter table subscriptions add column brought text check (json_valid(brought));
