-- Quotas of studios, and an index for fair turns.

-- The worker reads an event's ready jobs in the order of their times; an index that begins the same is replaced.
CREATE INDEX jobs_by_claim ON jobs (event_id, state, due_unix_s, created_unix_s);
DROP INDEX jobs_by_event;

-- What a studio uses and may use. Transactions change `used` together with what it counts.
CREATE TABLE limits (
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    -- 'storage_bytes': files of photos; 'open_uploads', 'upload_bytes': unfinished uploads and their announced bytes;
    -- 'guests': stored consents.
    kind TEXT NOT NULL,
    -- NULL: the operator's default.
    max BIGINT,
    used BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (studio_id, kind)
);
INSERT INTO limits (studio_id, kind, used)
    SELECT e.studio_id, 'storage_bytes', CAST(SUM(p.bytes) AS BIGINT)
    FROM photos p JOIN events e ON e.id = p.event_id GROUP BY e.studio_id;
INSERT INTO limits (studio_id, kind, used)
    SELECT e.studio_id, 'open_uploads', COUNT(*)
    FROM uploads u JOIN events e ON e.id = u.event_id WHERE u.photo_id IS NULL GROUP BY e.studio_id;
INSERT INTO limits (studio_id, kind, used)
    SELECT e.studio_id, 'upload_bytes', CAST(SUM(u.bytes) AS BIGINT)
    FROM uploads u JOIN events e ON e.id = u.event_id WHERE u.photo_id IS NULL GROUP BY e.studio_id;
INSERT INTO limits (studio_id, kind, used)
    SELECT studio_id, 'guests', COUNT(*) FROM guest_consents GROUP BY studio_id;
