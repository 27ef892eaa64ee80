-- Renames tables and columns to standard terms. No value changes, except for stored responses (below). Indexes
-- keep their names.

-- Failed sign-ins, by account and by address.
ALTER TABLE tries RENAME TO login_failures;
ALTER TABLE login_failures RENAME COLUMN last_unix_s TO last_failure_unix_s;

-- One-time links of accounts.
ALTER TABLE links RENAME TO account_links;

-- GCRA state (ITU-T I.371): tat is the theoretical arrival time.
ALTER TABLE leaking_tries RENAME TO pin_attempts;
ALTER TABLE pin_attempts RENAME COLUMN whole_unix_s TO tat_unix_s;
ALTER TABLE pin_attempts RENAME COLUMN last_unix_s TO last_attempt_unix_s;
ALTER TABLE budgets RENAME TO quotas;
ALTER TABLE quotas RENAME COLUMN whole_unix_s TO tat_unix_s;
ALTER TABLE rate_limits RENAME COLUMN whole_unix_us TO tat_unix_us;

-- The id of the data folder, and with it of the server, that holds an event's faces.
ALTER TABLE events RENAME COLUMN home TO node_id;

ALTER TABLE guests RENAME COLUMN news TO has_new_photos;
ALTER TABLE guests RENAME COLUMN told_unix_s TO notified_unix_s;
ALTER TABLE guests RENAME COLUMN leaving_unix_s TO erasing_unix_s;
ALTER TABLE guests RENAME COLUMN leaving_faces TO erasing_faces;
ALTER TABLE guest_tickets RENAME TO guest_email_tokens;

ALTER TABLE album_visits RENAME TO album_sessions;
ALTER TABLE album_downloads RENAME COLUMN visit_id TO session_id;
ALTER TABLE album_downloads RENAME COLUMN taker TO download_identity;

ALTER TABLE mails RENAME COLUMN ends_unix_s TO expires_unix_s;

-- Stored responses to requests with an idempotency key are sealed. Of the renamed error codes they can hold
-- 'signed_out' (401) only; a retry of such a request runs again.
DELETE FROM idempotency WHERE status = 401;
