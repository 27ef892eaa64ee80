//! What a member has created, invitations and API keys, has at most the member's current rights.

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::{Person, Service, on_both_databases};
use serde_json::{Value, json};

on_both_databases!(
    a_key_has_at_most_its_creators_rights,
    a_key_follows_its_creator_to_one_event,
    keys_change_no_members_invitations_or_keys,
    an_invitation_needs_its_creators_right,
    a_removal_offers_what_to_revoke,
    creators_and_last_uses_are_listed,
);

fn accept(service: &Service, token: &str) -> picpick_tests::Answer {
    let body = json!({ "token": token, "name": "N", "password": new_password() });
    service.client().post("/invitations/accept", &body)
}

fn member_path(owner: &Person, studio: &str, member: &Person) -> String {
    format!("/studios/{studio}/members/{}", member.membership(owner, studio))
}

fn a_key_has_at_most_its_creators_rights(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let event = format!("/events/{}", owner.new_event(&studio, "Wedding"));
    let admin = service.member(&owner, &studio, "admin", None);
    let keyed = |role: &str| {
        service.client().with_key(&admin.new_key(&studio, role, None).is(201).field("key"))
    };
    let (key, books) = (keyed("admin"), keyed("accountant"));
    let rename = json!({ "name": "Renamed" });
    key.patch(&event, &rename).is(200);
    books.get(&format!("/studios/{studio}/audit")).is(200);
    let path = member_path(&owner, &studio, &admin);
    owner.client.patch(&path, &json!({ "role": "viewer" })).is(204);
    key.get(&event).is(200);
    key.patch(&event, &rename).fails(403, "forbidden");
    key.get(&format!("/studios/{studio}/members")).fails(403, "forbidden");
    // Viewer and accountant have only the studio itself in common.
    books.get(&format!("/studios/{studio}/audit")).fails(403, "forbidden");
    books.get(&event).fails(403, "forbidden");
    books.get(&format!("/studios/{studio}")).is(200);
    owner.client.patch(&path, &json!({ "role": "admin" })).is(204);
    key.patch(&event, &rename).is(200);
    owner.client.delete(&path).is(200);
    for key in [&key, &books] {
        key.get(&format!("/studios/{studio}")).fails(401, "unauthenticated");
        key.get(&event).fails(401, "unauthenticated");
    }
}

fn a_key_follows_its_creator_to_one_event(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (own, other) = (owner.new_event(&studio, "Own"), owner.new_event(&studio, "Other"));
    let admin = service.member(&owner, &studio, "admin", None);
    let whole = admin.new_key(&studio, "viewer", None).is(201).field("key");
    let whole = service.client().with_key(&whole);
    let of_other = admin.new_key(&studio, "viewer", Some(&other)).is(201).field("key");
    let of_other = service.client().with_key(&of_other);
    let path = member_path(&owner, &studio, &admin);
    owner.invite(&studio, &admin.email, "editor", Some(&own)).is(201);
    let token = service.invitation_token(&admin.email);
    admin.client.post("/me/invitations", &json!({ "token": token })).is(204);
    owner.client.delete(&path).is(200);
    whole.get(&format!("/events/{own}")).is(200);
    whole.get(&format!("/events/{other}")).fails(404, "not_found");
    let events = whole.get(&format!("/studios/{studio}/events")).is(200).items();
    assert_eq!(events.iter().map(|event| &event["id"]).collect::<Vec<_>>(), [&json!(own)]);
    of_other.get(&format!("/events/{other}")).fails(404, "not_found");
    of_other.get(&format!("/events/{own}")).fails(404, "not_found");
}

fn keys_change_no_members_invitations_or_keys(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let key = owner.new_key(&studio, "owner", None).is(201);
    let program = Person { client: service.client().with_key(&key.field("key")), ..owner.clone() };
    let viewer = service.member(&owner, &studio, "viewer", None);
    let member = member_path(&owner, &studio, &viewer);
    let invitation = owner.invite(&studio, &new_email(), "viewer", None).is(201).field("id");
    program.invite(&studio, &new_email(), "viewer", None).fails(403, "forbidden");
    program.new_key(&studio, "viewer", None).fails(403, "forbidden");
    let client = &program.client;
    client.patch(&member, &json!({ "role": "editor" })).fails(403, "forbidden");
    client.delete(&member).fails(403, "forbidden");
    client.delete(&format!("/studios/{studio}/invitations/{invitation}")).fails(403, "forbidden");
    let keys = format!("/studios/{studio}/keys");
    client.delete(&format!("{keys}/{}", key.field("id"))).fails(403, "forbidden");
    for list in [keys, format!("/studios/{studio}/invitations")] {
        assert_eq!(client.get(&list).is(200).items().len(), 1);
    }
    client.patch(&format!("/studios/{studio}"), &json!({ "name": "Renamed" })).is(200);
}

fn an_invitation_needs_its_creators_right(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let admin = service.member(&owner, &studio, "admin", None);
    let invite = |role: &str| {
        let email = new_email();
        admin.invite(&studio, &email, role, None).is(201);
        service.invitation_token(&email)
    };
    let (first, second) = (invite("viewer"), invite("admin"));
    let path = member_path(&owner, &studio, &admin);
    let role = |role: &str| owner.client.patch(&path, &json!({ "role": role })).is(204);
    role("editor");
    accept(&service, &first).fails(410, "gone");
    accept(&service, &second).fails(410, "gone");
    role("admin");
    accept(&service, &first).is(204);
    // An owner who is an admin now can no longer make owners.
    role("owner");
    let third = invite("owner");
    role("admin");
    accept(&service, &third).fails(410, "gone");
    accept(&service, &second).is(204);
    // An invitation without a known creator is not accepted.
    let unknown = invite("viewer");
    service.change_rows("UPDATE account_links SET created_by = NULL");
    accept(&service, &unknown).fails(410, "gone");
}

fn a_removal_offers_what_to_revoke(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    for revoke in [false, true] {
        let admin = service.member(&owner, &studio, "admin", None);
        let key = admin.new_key(&studio, "admin", None).is(201);
        let email = new_email();
        let comeback = admin.invite(&studio, &email, "admin", None).is(201);
        let comeback_token = service.invitation_token(&email);
        let path = member_path(&owner, &studio, &admin);
        let query = if revoke { "?revoke=true" } else { "" };
        let removed = owner.client.delete(&format!("{path}{query}")).is(200).document();
        let keys = json!([key.field("id")]);
        let none: Value = json!([]);
        let (revoked, remaining) = if revoke { (&keys, &none) } else { (&none, &keys) };
        assert_eq!(removed["withdrawn_invitations"], json!([comeback.field("id")]));
        assert_eq!((&removed["revoked_keys"], &removed["remaining_keys"]), (revoked, remaining));
        accept(&service, &comeback_token).fails(410, "gone");
        let keyed = service.client().with_key(&key.field("key"));
        keyed.get(&format!("/studios/{studio}")).fails(401, "unauthenticated");
        // Whether the key works again if its creator returns, depends on the revocation.
        owner.invite(&studio, &admin.email, "admin", None).is(201);
        let token = service.invitation_token(&admin.email);
        admin.client.post("/me/invitations", &json!({ "token": token })).is(204);
        let status = keyed.get(&format!("/studios/{studio}")).status;
        assert_eq!(status, if revoke { 401 } else { 200 });
    }
    let path = format!("/studios/{studio}/audit?limit=500");
    let entries = owner.client.get(&path).is(200).items();
    let noted = |action: &str| {
        let ours = entries.iter().filter(|entry| entry["action"] == action);
        ours.filter(|entry| entry["detail"] == "creator removed").count()
    };
    assert_eq!((noted("invite_withdraw"), noted("key_revoke")), (2, 1));
}

fn creators_and_last_uses_are_listed(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let admin = service.member(&owner, &studio, "admin", None);
    let made = admin.new_key(&studio, "viewer", None).is(201);
    assert_eq!(made.field("created_by"), admin.id);
    let list = format!("/studios/{studio}/keys");
    let listed = || owner.client.get(&list).is(200).items().remove(0);
    assert_eq!(listed().get("last_used_unix_s"), None);
    service.client().with_key(&made.field("key")).get(&format!("/studios/{studio}")).is(200);
    let key = listed();
    assert_eq!(
        (&key["created_by"], &key["created_by_name"]),
        (&json!(admin.id), &json!("New Member"))
    );
    assert!(key["last_used_unix_s"].as_i64().unwrap() > 0);
    let export = admin.client.get("/me/export").is(200).document();
    assert_eq!(export["api_keys"][0]["id"], key["id"]);
    assert_eq!(export["api_keys"][0]["last_used_unix_s"], key["last_used_unix_s"]);
    admin.invite(&studio, &new_email(), "viewer", None).is(201);
    let invitations = owner.client.get(&format!("/studios/{studio}/invitations")).is(200).items();
    assert_eq!(invitations[0]["created_by"], json!(admin.id));
}
