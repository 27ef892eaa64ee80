-- The row that the readiness check writes (http/health.rs), to find out whether the database can be written.
CREATE TABLE write_probe (
    id BIGINT PRIMARY KEY,
    probed_unix_s BIGINT NOT NULL
);

INSERT INTO write_probe (id, probed_unix_s) VALUES (1, 0);
