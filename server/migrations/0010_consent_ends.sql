-- The text of a consent names the day on which the event ends, which the studio may move afterwards: the end that
-- was read is kept beside the text's version. 0: agreed to before the text named one.

ALTER TABLE guest_consents ADD COLUMN event_ends_unix_s BIGINT NOT NULL DEFAULT 0;
ALTER TABLE guest_requests ADD COLUMN event_ends_unix_s BIGINT NOT NULL DEFAULT 0;
