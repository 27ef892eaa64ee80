-- One lockout for every guessable secret. A subject that was locked out stays so: its failures count beyond the
-- free attempts of the new policies, which are 5 more for an account, 25 more for an address and 70 more for an album.
ALTER TABLE pin_attempts RENAME TO lockouts;
DELETE FROM lockouts WHERE subject NOT LIKE 'album:%';
UPDATE lockouts SET subject = 'pin:' || substr(subject, 7),
    tat_unix_s = last_attempt_unix_s + ((tat_unix_s - last_attempt_unix_s + 1799) / 1800 + 70) * 900
    WHERE tat_unix_s > last_attempt_unix_s;
DELETE FROM lockouts WHERE subject LIKE 'album:%';
INSERT INTO lockouts (subject, tat_unix_s, last_attempt_unix_s)
    SELECT 'sign_in:' || substr(subject, 9), last_failure_unix_s + (failures + 5) * 3600, last_failure_unix_s
    FROM login_failures WHERE subject LIKE 'account:%' AND failures >= 5;
INSERT INTO lockouts (subject, tat_unix_s, last_attempt_unix_s)
    SELECT 'sign_in::network:' || substr(subject, 9), last_failure_unix_s + (failures + 25) * 60, last_failure_unix_s
    FROM login_failures WHERE subject LIKE 'address:%' AND failures >= 5;
DROP TABLE login_failures;

-- Single-use codes that replace a code of the authenticator app. Only hashes are stored.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
