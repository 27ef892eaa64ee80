-- Mail on its way out. What it says and to whom is sealed: it holds addresses and the tokens of links.

CREATE TABLE mails (
    id TEXT PRIMARY KEY,
    sealed TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- When it is tried next; whoever tries sets it ahead, so that two servers do not send the same at once.
    due_unix_s BIGINT NOT NULL,
    -- When it is of no use any more.
    ends_unix_s BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX mails_by_due ON mails (due_unix_s);
