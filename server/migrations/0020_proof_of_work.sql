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

-- Wrong PINs of unknown browsers count for each link of an album, with 300 free attempts instead of 100 for the album.
-- An album that was locked out stays so.
INSERT INTO lockouts (subject, tat_unix_s, last_attempt_unix_s)
    SELECT l.subject || ':link:' || a.id,
        l.tat_unix_s + CASE WHEN l.tat_unix_s - l.last_attempt_unix_s > 100 * 900 THEN 200 * 900 ELSE 0 END,
        l.last_attempt_unix_s
    FROM lockouts l JOIN album_links a ON l.subject = 'pin:' || a.album_id;
DELETE FROM lockouts WHERE subject IN (SELECT 'pin:' || album_id FROM album_links);
