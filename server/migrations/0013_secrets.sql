-- One lockout for every guessable secret. The counts of failed sign-ins restart; those of PINs are of subjects with
-- other names and expire.
DROP TABLE login_failures;
ALTER TABLE pin_attempts RENAME TO lockouts;
DELETE FROM lockouts;

-- Single-use codes that replace a code of the authenticator app. Only hashes are stored.
CREATE TABLE recovery_codes (
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL,
    PRIMARY KEY (user_id, code_hash)
);
