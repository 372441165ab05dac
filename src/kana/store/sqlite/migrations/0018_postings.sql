-- What a line moves in which counters, where several packages together allow a feature: a list of [subscription,
-- reset period, start of the period, change], the line's own counter first. Null where its change moved that alone,
-- as nearly always.
alter table entries add column postings text;
