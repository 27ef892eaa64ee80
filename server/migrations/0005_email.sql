-- A link that changes an account's address: whose it is, and the session that asked for it.

ALTER TABLE links ADD COLUMN user_id TEXT REFERENCES users (id) ON DELETE CASCADE;
ALTER TABLE links ADD COLUMN session_id TEXT;
