-- The authentication code of an entry's hash, and the id of its key in a server's keyring. Entries from before have
-- neither; the first entry with a code covers them, because its hash covers the entry before it.
ALTER TABLE audit ADD COLUMN key_id TEXT NOT NULL DEFAULT '';
ALTER TABLE audit ADD COLUMN mac TEXT NOT NULL DEFAULT '';

-- Frequent actions, counted here between two entries of the audit log. Contains ids only.
CREATE TABLE audit_counts (
    action TEXT NOT NULL,
    studio_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    target TEXT NOT NULL,
    -- Time of the last entry, 0 before the first.
    recorded_unix_s BIGINT NOT NULL,
    -- Actions since that entry.
    pending BIGINT NOT NULL,
    PRIMARY KEY (action, studio_id, actor, target)
);
CREATE INDEX audit_counts_by_time ON audit_counts (recorded_unix_s);
