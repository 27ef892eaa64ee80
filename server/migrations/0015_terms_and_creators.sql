-- Purpose and legal basis of an event become closed lists; a consent covers the purpose and the time that its text
-- named; invitations and API keys are tied to their creators.

-- Earlier versions stored free text. Text of the old default is replaced; for any other text, the server that holds
-- the event moves `previous_terms` to the audit log at its next start (api/event/terms.rs).
ALTER TABLE events ADD COLUMN previous_terms TEXT;
UPDATE events SET previous_terms = purpose || ' (' || legal_basis || ')'
    WHERE NOT (purpose = 'finding guests'' photos'
        AND legal_basis IN ('consent', 'contract', 'legal obligation', 'legitimate interest'));
UPDATE events SET purpose = 'event_gallery', legal_basis = CASE legal_basis
    WHEN 'contract' THEN 'contract' WHEN 'legal obligation' THEN 'legal_obligation'
    WHEN 'legitimate interest' THEN 'legitimate_interest' ELSE 'consent' END;
-- 0: never.
ALTER TABLE events ADD COLUMN purpose_changed_unix_s BIGINT NOT NULL DEFAULT 0;

-- The legal basis of new events; NULL: a new event must name its own.
ALTER TABLE studios ADD COLUMN legal_basis TEXT;

-- Earlier texts permitted the studio to move the end, so these consents cover the current end, but no later one.
ALTER TABLE guest_consents ADD COLUMN purpose TEXT NOT NULL DEFAULT 'event_gallery';
ALTER TABLE guest_consents ADD COLUMN valid_until_unix_s BIGINT NOT NULL DEFAULT 0;
UPDATE guest_consents SET valid_until_unix_s = event_ends_unix_s;
UPDATE guest_consents SET valid_until_unix_s =
        (SELECT e.ends_unix_s FROM events e WHERE e.id = guest_consents.event_id)
    WHERE EXISTS (SELECT 1 FROM events e WHERE e.id = guest_consents.event_id
        AND e.ends_unix_s > guest_consents.valid_until_unix_s);
ALTER TABLE guest_requests ADD COLUMN purpose TEXT NOT NULL DEFAULT 'event_gallery';
ALTER TABLE guest_requests ADD COLUMN valid_until_unix_s BIGINT NOT NULL DEFAULT 0;
UPDATE guest_requests SET valid_until_unix_s =
        (SELECT e.ends_unix_s FROM events e WHERE e.id = guest_requests.event_id)
    WHERE EXISTS (SELECT 1 FROM events e WHERE e.id = guest_requests.event_id);
-- 1: an e-mail about changed terms of the event is due.
ALTER TABLE guests ADD COLUMN terms_notice BIGINT NOT NULL DEFAULT 0;

-- NULL: the key was not used.
ALTER TABLE api_keys ADD COLUMN last_used_unix_s BIGINT;
-- The user who created an invitation. The audit log names the creators of earlier invitations; an invitation that
-- an API key has created keeps NULL and cannot be accepted.
ALTER TABLE account_links ADD COLUMN created_by TEXT;
UPDATE account_links SET created_by =
        (SELECT MAX(SUBSTR(a.actor, 6)) FROM audit a
         WHERE a.action = 'invite' AND a.target = account_links.id AND a.actor LIKE 'user:%')
    WHERE kind = 'invitation';
