-- Solved challenges (proof of work) that were used once, until they expire; see `infra/rate_limit/proof_of_work.rs`.
CREATE TABLE spent_challenges (
    challenge_hash TEXT PRIMARY KEY,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX spent_challenges_by_expiry ON spent_challenges (expires_unix_s);

-- Whether the operator lets a user create studios who is a member of single events only.
ALTER TABLE users ADD COLUMN may_create_studios BIGINT NOT NULL DEFAULT 0;

-- Failed challenges of a guest's session are counted in `quotas`.
ALTER TABLE guest_sessions DROP COLUMN failures;
ALTER TABLE guest_sessions DROP COLUMN failed_unix_s;
