-- When the faces of an event's photos are embedded: 'at_upload' or 'at_first_search' (api/event/embedding.rs). Jobs of
-- an event that waits for its first search are in the state 'deferred'. No face data is stored here.
ALTER TABLE events ADD COLUMN embedding TEXT NOT NULL DEFAULT 'at_upload';

-- With 'at_first_search': when a guest searched first; NULL: not yet.
ALTER TABLE events ADD COLUMN embedding_started_unix_s BIGINT;
