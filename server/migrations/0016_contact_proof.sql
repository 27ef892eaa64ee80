-- When the guest has shown that the contact is theirs, by a code or a link that the server sent; NULL: not yet.
ALTER TABLE guests ADD COLUMN contact_proved_unix_s BIGINT;
