-- What may happen so many times, and again as time goes by; see `limits/budget.rs`.
CREATE TABLE budgets (
    -- What is counted, and of whom: never a contact itself.
    subject TEXT PRIMARY KEY,
    -- When all of it is there again.
    whole_unix_s BIGINT NOT NULL
);
CREATE INDEX budgets_by_end ON budgets (whole_unix_s);

-- Keyed, as that of guests; empty for requests from before.
ALTER TABLE guest_requests ADD COLUMN contact_hash TEXT NOT NULL DEFAULT '';
CREATE INDEX guest_requests_by_contact ON guest_requests (event_id, contact_hash);
