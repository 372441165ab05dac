-- The time zone of calendars for which none is named, by its IANA name: a user's own, or else their environment's.
alter table environments add column time_zone text not null default 'UTC';
alter table users add column time_zone text;
