-- Guests: people who came by an event's link and show their face to find their own photos. Names and contacts
-- are sealed; templates are in the engine's collections and never here.

CREATE TABLE guest_links (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    -- Where it hangs, in the studio's words.
    name TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_links_by_event ON guest_links (event_id, created_unix_s, id);

CREATE TABLE guests (
    -- The engine's name of the guest, too.
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    -- Sealed under the keyring's service key.
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    -- Keyed, so that a list of contacts cannot be tried out.
    contact_hash TEXT NOT NULL,
    language TEXT NOT NULL,
    -- When a face was shown that passed; NULL: not yet.
    verified_unix_s BIGINT,
    -- 0: no letters; 1: asked for, and not confirmed yet; 2: confirmed.
    notify BIGINT NOT NULL DEFAULT 0,
    -- Whether there may be photos to write of, and when the last letter was written.
    news BIGINT NOT NULL DEFAULT 0,
    told_unix_s BIGINT NOT NULL DEFAULT 0,
    -- Set first when a guest goes: from then on they are not there for anybody.
    leaving_unix_s BIGINT,
    -- Whether the faces in the event's photos go with them.
    leaving_faces BIGINT NOT NULL DEFAULT 0,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX guests_by_event ON guests (event_id, created_unix_s, id);
CREATE INDEX guests_by_contact ON guests (event_id, contact_hash);

-- What was agreed to, and until when. Holds no name and no contact, and stays when the guest goes.
CREATE TABLE guest_consents (
    id TEXT PRIMARY KEY,
    studio_id TEXT NOT NULL REFERENCES studios (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    guest_id TEXT NOT NULL,
    version TEXT NOT NULL,
    language TEXT NOT NULL,
    given_unix_s BIGINT NOT NULL,
    withdrawn_unix_s BIGINT
);
CREATE INDEX guest_consents_by_event ON guest_consents (event_id, given_unix_s, id);
CREATE INDEX guest_consents_by_guest ON guest_consents (guest_id);

CREATE TABLE guest_sessions (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    guest_id TEXT NOT NULL REFERENCES guests (id) ON DELETE CASCADE,
    -- Whether the guest's face was shown in this session.
    verified BIGINT NOT NULL,
    -- Challenges failed in a row, and when the last one was.
    failures BIGINT NOT NULL DEFAULT 0,
    failed_unix_s BIGINT NOT NULL DEFAULT 0,
    created_unix_s BIGINT NOT NULL,
    seen_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_sessions_by_guest ON guest_sessions (guest_id);

-- One-time links in letters: 'enter' opens a session, 'notify' confirms that letters are wanted.
CREATE TABLE guest_tickets (
    token_hash TEXT PRIMARY KEY,
    guest_id TEXT NOT NULL REFERENCES guests (id) ON DELETE CASCADE,
    kind TEXT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_tickets_by_guest ON guest_tickets (guest_id);

-- Somebody who cannot or will not use a camera asks the studio.
CREATE TABLE guest_requests (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    -- Sealed as those of guests.
    name TEXT NOT NULL,
    contact TEXT NOT NULL,
    message TEXT NOT NULL,
    version TEXT NOT NULL,
    language TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX guest_requests_by_event ON guest_requests (event_id, created_unix_s, id);

-- Guests who look for photos that show all of them.
CREATE TABLE guest_groups (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    code_hash TEXT NOT NULL UNIQUE,
    expires_unix_s BIGINT NOT NULL
);
CREATE TABLE guest_group_members (
    guest_id TEXT PRIMARY KEY REFERENCES guests (id) ON DELETE CASCADE,
    group_id TEXT NOT NULL REFERENCES guest_groups (id) ON DELETE CASCADE
);
CREATE INDEX guest_group_members_by_group ON guest_group_members (group_id);
