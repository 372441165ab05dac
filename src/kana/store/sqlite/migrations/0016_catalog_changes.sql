-- Which change made a catalogue's version: after a commit that failed another change may have made it.
alter table environments add column catalog_change integer not null default 0;
