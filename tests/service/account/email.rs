use std::time::{SystemTime, UNIX_EPOCH};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::outbox::{only_with, outbox, settled};
use picpick_tests::smtp::token;
use picpick_tests::{Answer, Person, Service, lockouts, on_both_databases};
use serde_json::json;
use totp_rs::Totp;

on_both_databases!(
    an_address_changes_by_a_single_use_link,
    a_changed_address_has_one_spelling,
    change_requests_disclose_nothing_and_are_limited,
    a_new_password_revokes_pending_links,
    an_address_change_requires_the_second_factor,
    guessing_is_locked_out_without_blocking_sign_in,
);

/// Requests a change of the person's e-mail address.
fn ask(person: &Person, email: &str) -> Answer {
    person.client.put("/me/email", &json!({ "email": email, "password": person.password }))
}

fn confirm(service: &Service, token: &str) -> Answer {
    service.remember(token);
    service.client().post("/me/email/confirm", &json!({ "token": token }))
}

/// Returns the token of the link that was sent to `email`.
fn link_to(mails: &[String], email: &str) -> String {
    let to = format!("To: {email}\r\n");
    let mine: Vec<String> = mails.iter().filter(|mail| mail.contains(&to)).cloned().collect();
    token(only_with(&mine, "/email#ppe_"), "ppe_")
}

fn an_address_changes_by_a_single_use_link(service: Service) {
    let owner = service.owner();
    let other = owner.sign_in();
    let new = new_email();
    let wrong = json!({ "email": new, "password": "not the password" });
    owner.client.put("/me/email", &wrong).fails(403, "forbidden");
    ask(&owner, "not-an-address").fails(422, "invalid");
    ask(&Person { client: owner.client.signed_out(), ..owner.clone() }, &new)
        .fails(401, "unauthenticated");
    assert!(ask(&owner, &new.to_uppercase()).is(202).body.is_empty());
    let mails = outbox(&service, 2);
    let link = link_to(&mails, &new);
    let notice = only_with(&mails, &format!("To: {}\r\n", owner.email));
    assert!(!notice.contains(&new) && !notice.contains("ppe_"), "{notice}");
    confirm(&service, "ppe_wrong").fails(410, "gone");
    // The address does not change before the link is confirmed.
    assert_eq!(owner.client.get("/me").is(200).field("email"), owner.email);
    other.get("/me").is(200);
    confirm(&service, &link).is(204);
    assert_eq!(owner.client.get("/me").is(200).field("email"), new);
    other.get("/me").fails(401, "unauthenticated");
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    let now = Person { email: new, ..owner.clone() };
    now.sign_in().get("/me").is(200);
    confirm(&service, &link).fails(410, "gone");
    let last = outbox(&service, 3);
    assert!(only_with(&last, "was changed").contains(&format!("To: {}\r\n", owner.email)));
    assert_eq!(service.run(&["--json", "audit", "verify"]).status, 0);
    for action in ["email_ask", "email_change"] {
        let recorded = format!("SELECT COUNT(*) FROM audit WHERE action = '{action}'");
        assert_eq!(service.number(&recorded), 1, "{action}");
    }
}

/// A sibling of S11: an address that a person changes to has the same normal form as one that is invited.
fn a_changed_address_has_one_spelling(service: Service) {
    let owner = service.owner();
    let new = new_email();
    let (local, domain) = new.split_once('@').unwrap();
    let cyrillic = local.replacen('e', "\u{435}", 1);
    for email in [format!("{local}\u{200b}@{domain}"), format!("{cyrillic}@{domain}")] {
        ask(&owner, &email).fails(422, "invalid");
    }
    ask(&owner, &format!("{local}@{}", domain.replace('.', "\u{ff0e}"))).is(202);
    let link = link_to(&outbox(&service, 2), &new);
    confirm(&service, &link).is(204);
    assert_eq!(owner.client.get("/me").is(200).field("email"), new);
    // An invitation of any spelling reaches this account, and makes no other one.
    let wide = format!("{local}@{}", domain.replace('.', "\u{3002}")).to_uppercase();
    let made = owner.invite(&owner.studio(), &wide, "viewer", None).is(201);
    assert_eq!(made.field("email"), new);
    let body =
        json!({ "token": service.invitation_token(&new), "name": "N", "password": new_password() });
    service.client().post("/invitations/accept", &body).fails(409, "conflict");
    assert_eq!(service.number("SELECT COUNT(*) FROM users"), 1);
}

fn change_requests_disclose_nothing_and_are_limited(service: Service) {
    let owner = service.owner();
    let other = service.member(&owner, &owner.studio(), "viewer", None);
    settled(&service);
    // The service has sent one mail before: the invitation of `other`.
    let invited = 1;
    let free = new_email();
    let (taken, untaken) = (ask(&owner, &other.email).is(202), ask(&owner, &free).is(202));
    assert_eq!(taken.body, untaken.body);
    let mails = outbox(&service, invited + 4);
    confirm(&service, &link_to(&mails, &other.email)).fails(409, "conflict");
    assert_eq!(owner.client.get("/me").is(200).field("email"), owner.email);
    other.sign_in();
    // An account has a quota of three links.
    ask(&owner, &new_email()).is(202);
    let refused = ask(&owner, &new_email()).fails(429, "too_many_requests");
    assert!(refused.headers.contains_key("retry-after"));
    settled(&service);
    outbox(&service, invited + 6);
    // A link expires after an hour. The quota gives one more link every 20 minutes.
    assert_eq!(
        service.change_rows("UPDATE account_links SET expires_unix_s = 1 WHERE kind = 'email'"),
        3
    );
    confirm(&service, &link_to(&mails, &free)).fails(410, "gone");
    ask(&owner, &free).fails(429, "too_many_requests");
    service.change_rows("UPDATE quotas SET tat_unix_s = tat_unix_s - 1200");
    ask(&owner, &free).is(202);
    ask(&owner, &free).fails(429, "too_many_requests");
    settled(&service);
}

fn a_new_password_revokes_pending_links(service: Service) {
    let mut owner = service.owner();
    let (first, second, third) = (new_email(), new_email(), new_email());
    ask(&owner, &first).is(202);
    let link = link_to(&outbox(&service, 2), &first);
    let new = new_password();
    let change = json!({ "current": owner.password, "new": new });
    owner.client.put("/me/password", &change).is(204);
    owner.password = new;
    confirm(&service, &link).fails(410, "gone");
    // A password reset by mail revokes the link as well.
    ask(&owner, &second).is(202);
    owner.client.signed_out().post("/password-resets", &json!({ "email": owner.email })).is(202);
    let mails = outbox(&service, 6);
    let reset = |mails: &[String], password: &str| {
        let body =
            json!({ "token": token(only_with(mails, "#ppr_"), "ppr_"), "password": password });
        service.client().put("/password-resets", &body)
    };
    owner.password = new_password();
    reset(&mails, &owner.password).is(204);
    confirm(&service, &link_to(&mails, &second)).fails(410, "gone");
    // A change of the address revokes the password reset links that were sent to the old address.
    owner.client = owner.sign_in();
    let old = outbox(&service, 7);
    owner.client.signed_out().post("/password-resets", &json!({ "email": owner.email })).is(202);
    ask(&owner, &third).is(202);
    let mut mails = outbox(&service, 10);
    mails.retain(|mail| !old.contains(mail));
    confirm(&service, &link_to(&mails, &third)).is(204);
    reset(&mails, &new_password()).fails(410, "gone");
    Person { email: third, ..owner }.sign_in();
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn an_address_change_requires_the_second_factor(service: Service) {
    let owner = service.owner();
    let url = owner
        .client
        .post("/me/second-factor", &json!({ "password": owner.password }))
        .is(201)
        .field("otpauth_url");
    let app = Totp::from_url(&url).unwrap();
    let code = |steps: u64| app.generate(now_s() + 30 * steps).to_string();
    owner.client.put("/me/second-factor", &json!({ "code": code(0) })).is(200);
    let ask = |code: &str| {
        let body = json!({ "email": new_email(), "password": owner.password, "code": code });
        owner.client.put("/me/email", &body)
    };
    // Resets the last used step, so that the current code counts as unused.
    service.change_rows("UPDATE users SET totp_step = 0");
    self::ask(&owner, &new_email()).fails(403, "forbidden");
    ask(&code(1000)).fails(403, "forbidden");
    let right = code(0);
    ask(&right).is(202);
    ask(&right).fails(403, "forbidden");
}

fn guessing_is_locked_out_without_blocking_sign_in(service: Service) {
    let owner = service.owner();
    for _ in 0..10 {
        let guess = json!({ "email": new_email(), "password": "not the password" });
        owner.client.put("/me/email", &guess).fails(403, "forbidden");
    }
    lockouts::lengthen(&service);
    ask(&owner, &new_email()).fails(429, "too_many_requests");
    let change = json!({ "current": owner.password, "new": new_password() });
    owner.client.put("/me/password", &change).fails(429, "too_many_requests");
    owner.sign_in();
    lockouts::shift(&service, 1000);
    ask(&owner, &new_email()).is(202);
}
