-- What protects the service, kept over a restart: how much of their allowance callers have used, and which
-- patterns have raised an alert.

-- Only who has used a good part of an allowance stands here, and only until the allowance is whole again.
CREATE TABLE rate_limits (
    subject TEXT PRIMARY KEY,
    -- Microseconds since 1970.
    whole_unix_us BIGINT NOT NULL
);

CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    pattern TEXT NOT NULL,
    -- Who or what it is about: user:ID, key:ID, address:IP, account:HASH, contact:HASH. Never an e-mail.
    subject TEXT NOT NULL,
    -- Empty where it concerns no studio in particular.
    studio_id TEXT NOT NULL,
    count BIGINT NOT NULL,
    window_s BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    -- When it is posted next to the webhook; NULL when nothing is left to post.
    post_due_unix_s BIGINT,
    post_attempts BIGINT NOT NULL
);
CREATE INDEX alerts_by_studio ON alerts (studio_id, created_unix_s, id);
CREATE INDEX alerts_by_subject ON alerts (subject, pattern, created_unix_s);
CREATE INDEX alerts_by_due ON alerts (post_due_unix_s);
