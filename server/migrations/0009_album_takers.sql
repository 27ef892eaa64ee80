-- Whoever takes an album's photos without a name is known by the link and the network that they come by.

-- SHA-256 of both, hexadecimal; empty for what was taken before this was kept.
ALTER TABLE album_downloads ADD COLUMN taker TEXT NOT NULL DEFAULT '';
CREATE INDEX album_downloads_by_taker ON album_downloads (taker);
