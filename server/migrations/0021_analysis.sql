-- When the faces of an event's photos are embedded: 'at_upload' or 'at_first_search' (api/event/analysis_time.rs). Jobs of
-- an event that waits for its first search are in the state 'deferred'. No face data is stored here.
ALTER TABLE events ADD COLUMN analysis TEXT NOT NULL DEFAULT 'at_upload';

-- With 'at_first_search': when a guest searched first; NULL: not yet.
ALTER TABLE events ADD COLUMN analysis_started_unix_s BIGINT;
