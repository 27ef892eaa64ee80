-- Erasures, one row for each, whatever is erased; and the requests of people in photos. Rows outlive their event, as
-- the record of what was requested and when it was done: they hold no name, and no contact once they are closed.

CREATE TABLE erasures (
    -- Also the id of the engine's suppression, which hides the faces.
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    -- 'event', 'photos', 'guest' or 'person'.
    kind TEXT NOT NULL,
    -- The guest, the photos (separated by commas) or a face of the person; empty once the erasure is closed.
    subject TEXT NOT NULL,
    -- 1: faces in the event's photos are hidden first, and then erased.
    hides_faces BIGINT NOT NULL,
    -- 1: the person's template stays in the event's collection, to keep faces of later photos out.
    opt_out BIGINT NOT NULL,
    -- 'guest', 'person', 'studio', 'operator' or 'retention'.
    requester TEXT NOT NULL,
    -- The actor in the audit log.
    actor TEXT NOT NULL,
    -- 'requested', 'hidden', 'due', 'erased', 'lifting' or 'undone'.
    state TEXT NOT NULL,
    -- The time between hiding and erasing.
    wait_s BIGINT NOT NULL,
    photos BIGINT NOT NULL DEFAULT 0,
    faces BIGINT NOT NULL DEFAULT 0,
    -- Sealed; only a proved contact, and only until the erasure is closed.
    contact TEXT,
    language TEXT,
    -- Of the token in the link that undoes the erasure, until it is closed.
    undo_hash TEXT UNIQUE,
    requested_unix_s BIGINT NOT NULL,
    due_unix_s BIGINT,
    closed_unix_s BIGINT
);
CREATE INDEX erasures_by_event ON erasures (event_id, requested_unix_s, id);
CREATE INDEX erasures_by_studio ON erasures (studio_id, requested_unix_s, id);
CREATE INDEX erasures_by_state ON erasures (state, due_unix_s);

CREATE TABLE privacy_requests (
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    -- 'removal': a person asks to be taken out of the photos; 'access': a guest has received their data.
    kind TEXT NOT NULL,
    -- 'person', 'guest' or 'studio'.
    requester TEXT NOT NULL,
    -- Sealed; NULL once the request is closed.
    name TEXT,
    contact TEXT,
    message TEXT,
    -- Keyed; NULL once the request is closed.
    contact_hash TEXT,
    -- Of the answer.
    language TEXT,
    -- The erasure that answers the request.
    erasure_id TEXT,
    -- 'erased', 'declined', 'answered' or 'event_ended'; NULL while the request is open.
    outcome TEXT,
    created_unix_s BIGINT NOT NULL,
    closed_unix_s BIGINT
);
CREATE INDEX privacy_requests_by_event ON privacy_requests (event_id, created_unix_s, id);
CREATE INDEX privacy_requests_by_studio ON privacy_requests (studio_id, created_unix_s, id);

-- The studio's own words on the event's public privacy page; NULL: none.
ALTER TABLE events ADD COLUMN privacy_notice TEXT;
