-- The time zone of calendars for which none is named, by its IANA name: a user's own, or else their environment's.
alter table environments add column time_zone text;
update environments set time_zone = 'UTC';
alter table environments alter column time_zone set not null;
alter table users add column time_zone text;
