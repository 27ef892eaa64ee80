-- Accounts, studios and who may do what in them. The same text runs on SQLite and PostgreSQL: ids, hashes
-- and sealed bytes are TEXT (hexadecimal), times are BIGINT (seconds since 1970).

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    password_hash TEXT,
    -- Sealed under the keyring's service key.
    totp_secret TEXT,
    totp_confirmed BIGINT NOT NULL DEFAULT 0,
    -- The last time step whose code was taken, so that none is taken twice.
    totp_step BIGINT NOT NULL DEFAULT 0,
    created_unix_s BIGINT NOT NULL
);

CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_unix_s BIGINT NOT NULL,
    seen_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);

CREATE TABLE studios (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id),
    -- The data folder that holds its faces: several servers may share a database.
    home TEXT NOT NULL,
    name TEXT NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    ends_unix_s BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    -- Set first when an event is deleted: from then on it is not there for anybody.
    deleting_unix_s BIGINT,
    -- Whether indexing waits.
    paused BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX events_by_studio ON events (studio_id, created_unix_s, id);

-- A role in a studio, or in one event of it only.
CREATE TABLE memberships (
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    event_id TEXT REFERENCES events (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX memberships_by_user ON memberships (user_id, studio_id);
CREATE INDEX memberships_by_studio ON memberships (studio_id, created_unix_s, id);

-- One-time links: the first account, an invitation, a new password.
CREATE TABLE links (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    email TEXT,
    studio_id TEXT REFERENCES studios (id) ON DELETE CASCADE,
    event_id TEXT REFERENCES events (id) ON DELETE CASCADE,
    role TEXT,
    created_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX links_by_studio ON links (studio_id, created_unix_s, id);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    event_id TEXT REFERENCES events (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT
);
CREATE INDEX api_keys_by_studio ON api_keys (studio_id, created_unix_s, id);

-- Each entry's hash covers the one before it.
CREATE TABLE audit (
    number BIGINT PRIMARY KEY,
    at_unix_s BIGINT NOT NULL,
    studio_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_studio ON audit (studio_id, number);

-- One row: the last entry. Whoever adds one changes it first, so that entries come one after another.
CREATE TABLE audit_head (number BIGINT NOT NULL, hash TEXT NOT NULL);
INSERT INTO audit_head (number, hash) VALUES (0, '');

-- Receipts of purged events: they stay when the event goes.
CREATE TABLE receipts (
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id),
    event_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX receipts_by_studio ON receipts (studio_id, created_unix_s, id);

-- The answer to a creating request, kept for its repetition.
CREATE TABLE idempotency (
    key_hash TEXT PRIMARY KEY,
    request_hash TEXT NOT NULL,
    status BIGINT NOT NULL,
    body TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX idempotency_by_age ON idempotency (created_unix_s);

-- Failures that outlive a restart: sign-ins per account and per address.
CREATE TABLE tries (
    subject TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_unix_s BIGINT NOT NULL
);
