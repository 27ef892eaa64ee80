-- How the guests of an event prove who they are, and what counts different faces. No face data is stored here.

-- 'contact_code', 'guest_list' or 'selfie' (api/event/guest_proof.rs). Existing events keep the selfie alone.
ALTER TABLE events ADD COLUMN guest_proof TEXT NOT NULL DEFAULT 'selfie';

-- The link that the guest came by; NULL: an access request, or a registration before this column.
ALTER TABLE guests ADD COLUMN link_id TEXT;

-- The code that was sent to a guest's contact, as a keyed hash; at most one for each guest.
CREATE TABLE guest_contact_codes (
    guest_id TEXT PRIMARY KEY REFERENCES guests (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_contact_codes_by_end ON guest_contact_codes (expires_unix_s);

-- The contacts that an event with guest_proof 'guest_list' admits.
CREATE TABLE guest_list_entries (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    -- Sealed as the contacts of guests.
    contact TEXT NOT NULL,
    -- Keyed, as that of guests.
    contact_hash TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE UNIQUE INDEX guest_list_entries_by_contact ON guest_list_entries (event_id, contact_hash);
CREATE INDEX guest_list_entries_by_event ON guest_list_entries (event_id, created_unix_s, id);

-- Which faces a quota of different faces has counted. Rows stay when a guest goes, so that a withdrawal gives no
-- quota back.
CREATE TABLE guest_faces_counted (
    -- The keyed hash of the quota's subject and the guest's id.
    face_key TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    counted_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_faces_counted_by_time ON guest_faces_counted (counted_unix_s);
CREATE INDEX guest_faces_counted_by_event ON guest_faces_counted (event_id);
