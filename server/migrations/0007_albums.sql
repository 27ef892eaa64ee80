-- What visitors may see and take of an event's photos, and the albums that a studio shares with them.
-- Visitors are no members of the studio: they hold a link, and know a PIN where the album asks for one.

-- 'off', 'web' or 'original'.
ALTER TABLE events ADD COLUMN downloads TEXT NOT NULL DEFAULT 'off';
-- Drawn on what visitors are shown; NULL: nothing is.
ALTER TABLE events ADD COLUMN watermark TEXT;

-- Whether visitors see nothing of it.
ALTER TABLE folders ADD COLUMN hidden BIGINT NOT NULL DEFAULT 0;
-- NULL: as the event.
ALTER TABLE folders ADD COLUMN downloads TEXT;

CREATE TABLE albums (
    id TEXT PRIMARY KEY,
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    cover_photo_id TEXT REFERENCES photos (id) ON DELETE SET NULL,
    -- 1: all visible folders, and what lies in none; 0: those of album_folders. Said here, so that an album
    -- whose last folder goes shows nothing, and not everything.
    all_folders BIGINT NOT NULL,
    -- argon2id; NULL: the link is enough.
    view_pin_hash TEXT,
    -- argon2id; NULL: nobody annotates.
    annotate_pin_hash TEXT,
    -- Photos that one visitor may take; NULL: as many as they like.
    downloads_max BIGINT,
    -- From then on nothing of it is there for any visitor, sessions included.
    ends_unix_s BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX albums_by_event ON albums (event_id, created_unix_s, id);

CREATE TABLE album_folders (
    album_id TEXT NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    folder_id TEXT NOT NULL REFERENCES folders (id) ON DELETE CASCADE,
    PRIMARY KEY (album_id, folder_id)
);

CREATE TABLE album_links (
    id TEXT PRIMARY KEY,
    album_id TEXT NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    token_hash TEXT NOT NULL UNIQUE,
    -- Whom it is for, in the studio's words.
    name TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL
);
CREATE INDEX album_links_by_album ON album_links (album_id, created_unix_s, id);

-- Whoever gave a name when they showed the annotate PIN. The same name is the same visitor, on any device.
CREATE TABLE album_visitors (
    id TEXT PRIMARY KEY,
    album_id TEXT NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- The name in lower case.
    name_key TEXT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    UNIQUE (album_id, name_key)
);

-- A browser that was let in. It goes with the link by which it came.
CREATE TABLE album_visits (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL UNIQUE,
    link_id TEXT NOT NULL REFERENCES album_links (id) ON DELETE CASCADE,
    -- Set by the annotate PIN.
    visitor_id TEXT REFERENCES album_visitors (id) ON DELETE CASCADE,
    created_unix_s BIGINT NOT NULL,
    expires_unix_s BIGINT NOT NULL
);
CREATE INDEX album_visits_by_link ON album_visits (link_id);
CREATE INDEX album_visits_by_end ON album_visits (expires_unix_s);

-- Photos that a visitor has taken; one that is taken twice counts once.
CREATE TABLE album_downloads (
    album_id TEXT NOT NULL REFERENCES albums (id) ON DELETE CASCADE,
    visit_id TEXT NOT NULL,
    visitor_id TEXT,
    photo_id TEXT NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    PRIMARY KEY (visit_id, photo_id)
);
CREATE INDEX album_downloads_by_visitor ON album_downloads (visitor_id);

CREATE TABLE album_picks (
    visitor_id TEXT NOT NULL REFERENCES album_visitors (id) ON DELETE CASCADE,
    photo_id TEXT NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    important BIGINT NOT NULL,
    created_unix_s BIGINT NOT NULL,
    PRIMARY KEY (visitor_id, photo_id)
);
CREATE INDEX album_picks_by_photo ON album_picks (photo_id);

CREATE TABLE album_comments (
    id TEXT PRIMARY KEY,
    visitor_id TEXT NOT NULL REFERENCES album_visitors (id) ON DELETE CASCADE,
    photo_id TEXT NOT NULL REFERENCES photos (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    -- A spot of the photo as it is shown, 0 to 10,000 from its left and from its top; NULL: the whole photo.
    x BIGINT,
    y BIGINT,
    created_unix_s BIGINT NOT NULL,
    resolved_unix_s BIGINT
);
CREATE INDEX album_comments_by_photo ON album_comments (photo_id, created_unix_s);
CREATE INDEX album_comments_by_visitor ON album_comments (visitor_id);
