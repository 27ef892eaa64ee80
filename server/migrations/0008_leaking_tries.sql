-- Tries at albums' PINs, each of which is forgotten some time after it was made.

CREATE TABLE leaking_tries (
    -- pin:LINK:NETWORK or album:ID.
    subject TEXT PRIMARY KEY,
    -- When all of them will be forgotten.
    whole_unix_s BIGINT NOT NULL,
    -- When the last one was made.
    last_unix_s BIGINT NOT NULL
);
CREATE INDEX leaking_tries_by_end ON leaking_tries (whole_unix_s);

-- Wrong tries of now stay counted: at albums one goes in half an hour, at addresses in six minutes.
INSERT INTO leaking_tries (subject, whole_unix_s, last_unix_s)
    SELECT subject, last_unix_s + 1800 * CASE WHEN failures > 38 THEN 38 ELSE failures END, last_unix_s
    FROM tries WHERE subject LIKE 'album:%';
INSERT INTO leaking_tries (subject, whole_unix_s, last_unix_s)
    SELECT subject, last_unix_s + 360 * CASE WHEN failures > 10 THEN 10 ELSE failures END, last_unix_s
    FROM tries WHERE subject LIKE 'pin:%';
DELETE FROM tries WHERE subject LIKE 'album:%' OR subject LIKE 'pin:%';
