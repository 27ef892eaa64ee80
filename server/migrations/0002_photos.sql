-- What an event holds, and the work on it. Nothing here is face data: faces, embeddings and people are in the
-- engine's sealed collections only.

CREATE TABLE folders (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    UNIQUE (event_id, name)
);

CREATE TABLE photos (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    folder_id TEXT REFERENCES folders (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    -- The engine's id of the photo: the first 128 bits of the hash.
    content_id TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    media_type TEXT NOT NULL,
    width BIGINT NOT NULL,
    height BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    UNIQUE (event_id, content_id)
);
CREATE INDEX photos_by_event ON photos (event_id, created_unix_s, id);

-- An upload under way; how much of it is there, its file tells.
CREATE TABLE uploads (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    folder_id TEXT REFERENCES folders (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    -- Set when it is complete; kept for clients that did not hear of it.
    photo_id TEXT,
    created_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX uploads_by_event ON uploads (event_id);

-- Work that outlives the process. A running job whose lease has run out is ready again.
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    photo_id TEXT REFERENCES photos (id) ON DELETE CASCADE,
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    reason TEXT NOT NULL,
    due_unix_s BIGINT NOT NULL,
    lease_unix_s BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    changed_unix_s BIGINT NOT NULL
);
CREATE INDEX jobs_by_state ON jobs (state, due_unix_s, created_unix_s);
CREATE INDEX jobs_by_event ON jobs (event_id, state);
CREATE INDEX jobs_by_photo ON jobs (photo_id);
