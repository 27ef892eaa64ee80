use std::time::{Duration, Instant};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::album::Album;
use picpick_tests::guest::{let_in, letters, mailed_code, new_link, register};
use picpick_tests::outbox::{latest_to, only_with, outbox, settled};
use picpick_tests::smtp::{MailServer, token};
use picpick_tests::tcp_proxy::Line;
use picpick_tests::{Client, Person, Service, on_both_databases, sample, sandbox};
use serde_json::json;

on_both_databases!(
    an_invitation_is_mailed,
    a_password_reset_link_works_once,
    reset_requests_disclose_nothing_and_are_limited,
    queued_mail_is_sealed,
    names_in_letters_to_guests_are_no_links,
);

/// Requests a link for a new password.
fn ask(client: &Client, email: &str) {
    let answer = client.post("/password-resets", &json!({ "email": email })).is(202);
    assert!(answer.body.is_empty(), "the response is the same for every address: {answer:?}");
}

fn an_invitation_is_mailed(service: Service) {
    let owner = service.owner();
    let email = new_email();
    owner.invite(&owner.studio(), &email, "viewer", None).is(201);
    let mails = outbox(&service, 1);
    let sent = token(&mails[0], "ppi_");
    assert!(mails[0].contains(&format!("To: {email}")) && mails[0].contains("First Light"));
    assert!(mails[0].contains(&service.address()), "{}", mails[0]);
    let body = json!({ "token": sent, "name": "Some Body", "password": new_password() });
    service.client().post("/invitations/accept", &body).is(204);
}

/// A sibling of S12: names of events, studios and guests carry no link into the mailboxes of guests.
fn names_in_letters_to_guests_are_no_links(service: Service) {
    let owner = service.owner();
    let studio = owner.new_studio("Light\". Confirm at https://studio.evil.example/login now");
    let event =
        owner.new_event(&studio, "Pay at www.event.evil.example or https://event.evil.example/x");
    let album = Album { client: owner.client.clone(), event: event.clone() };
    let picture = std::fs::read(sample("obama.jpg")).unwrap();
    album.upload("a.jpg", &picture);
    album.wait_until_indexed();
    let found = album.search(&picture, "").is(200).document();
    let_in(&service, &owner, &event, found["matches"][0]["face"].as_str().unwrap());
    let one_line = |mail: String| mail.replace("=\r\n", "").replace("=3D", "=");
    let check = |mails: Vec<String>, expected: usize| {
        let mails: Vec<String> = mails.into_iter().map(one_line).collect();
        assert_eq!(mails.len(), expected, "{mails:?}");
        for mail in mails {
            assert!(!mail.contains("evil.example") && !mail.contains("https://event"), "{mail}");
            assert!(mail.contains("evil example"), "the name is in the letter: {mail}");
            assert!(mail.matches("://").count() <= 1, "{mail}");
        }
    };
    check(letters(&service, "g/enter"), 1);
    let code = json!({ "guest_proof": "contact_code" });
    owner.client.patch(&album.path(""), &code).is(200);
    let contact = new_email();
    register(&service, &new_link(&owner, &event), "https://guest.evil.example", &contact);
    mailed_code(&service, &contact);
    check(vec![latest_to(&service, &contact, "Your code")], 1);
}

fn a_password_reset_link_works_once(service: Service) {
    let owner = service.owner();
    ask(&service.client(), &owner.email.to_uppercase());
    let link = token(only_with(&outbox(&service, 1), "#ppr_"), "ppr_");
    service.remember(&link);
    let client = service.client();
    let set = |token: &str, password: &str| {
        client.put("/password-resets", &json!({ "token": token, "password": password }))
    };
    set(&link, "short").fails(422, "invalid");
    set("ppr_wrong", &new_password()).fails(410, "gone");
    // The rejected requests have not ended the session.
    owner.client.get("/me").is(200);
    let password = new_password();
    set(&link, &password).is(204);
    owner.client.get("/me").fails(401, "unauthenticated");
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    let owner = Person { password, ..owner };
    owner.sign_in().get("/me").is(200);
    set(&link, &new_password()).fails(410, "gone");
    only_with(&outbox(&service, 2), "was changed");
    let audit = service.run(&["--json", "audit", "verify"]);
    assert_eq!(audit.status, 0, "{audit:?}");
    let recorded = "SELECT COUNT(*) FROM audit WHERE action = 'password_reset'";
    assert_eq!(service.number(recorded), 1);
}

fn reset_requests_disclose_nothing_and_are_limited(service: Service) {
    let owner = service.owner();
    let client = service.client();
    for _ in 0..9 {
        ask(&client, &owner.email);
        ask(&client, &new_email());
    }
    client.post("/password-resets", &json!({ "email": "not-an-address" })).fails(422, "invalid");
    settled(&service);
    let mails = outbox(&service, 3);
    assert!(
        mails.iter().all(|mail| mail.contains(&owner.email)),
        "at most three links, and no mail to an unknown address"
    );
    // A link expires after an hour. The quota gives one more link every 20 minutes.
    assert_eq!(
        service.change_rows("UPDATE account_links SET expires_unix_s = 1 WHERE kind = 'reset'"),
        3
    );
    let body = json!({ "token": token(&mails[0], "ppr_"), "password": new_password() });
    client.put("/password-resets", &body).fails(410, "gone");
    ask(&client, &owner.email);
    settled(&service);
    outbox(&service, 3);
    service.change_rows("UPDATE quotas SET tat_unix_s = tat_unix_s - 1200");
    ask(&client, &owner.email);
    ask(&client, &owner.email);
    settled(&service);
    outbox(&service, 4);
}

fn queued_mail_is_sealed(mut service: Service) {
    let owner = service.owner();
    // A file in place of the outbox folder makes delivery fail.
    std::fs::write(service.sandbox.data().join("outbox"), "in the way").unwrap();
    let email = new_email();
    owner.invite(&owner.studio(), &email, "viewer", None).is(201);
    service.wait_for_log("mail delivery will be retried");
    assert_eq!(service.number("SELECT COUNT(*) FROM mails"), 1);
    let plain = format!("SELECT COUNT(*) FROM mails WHERE sealed LIKE '%{}%'", &email[..8]);
    assert_eq!(service.number(&plain), 0);
    service.kill();
    std::fs::remove_file(service.sandbox.data().join("outbox")).unwrap();
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    service.restart();
    assert!(outbox(&service, 1)[0].contains(&email), "a restart loses nothing");
    settled(&service);
}

fn with_server(url: String, more: &[(&'static str, &str)]) -> Service {
    let mut environment = vec![
        ("PICPICK_SMTP_URL", url),
        ("PICPICK_MAIL_FROM", "PicPick <photos@studio.example>".to_owned()),
    ];
    environment.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
    Service::start_with(sandbox!(), environment)
}

#[test]
fn mail_is_delivered_to_a_mail_server() {
    let server = MailServer::start();
    let service = with_server(server.url(), &[]);
    service.remember("p@ss word");
    service.remember("p%40ss");
    let owner = service.owner();
    let email = new_email();
    owner.invite(&owner.studio(), &email, "viewer", None).is(201);
    let [mail] = server.wait_for(&email, 1).try_into().unwrap();
    assert_eq!(mail["from"], "PicPick <photos@studio.example>");
    assert_eq!(mail["auto-submitted"], "auto-generated");
    assert!(mail["message-id"].as_str().unwrap().ends_with("@studio.example>"), "{mail}");
    let link = format!("{}/invitation#ppi_", service.address());
    assert!(mail["text"].as_str().unwrap().contains(&link), "{mail}");
    // Codes arrive, so guests of a new event prove their contact.
    let events = format!("/studios/{}/events", owner.studio());
    let new = json!({ "name": "Wedding", "legal_basis": "consent" });
    assert_eq!(owner.client.post(&events, &new).is(201).field("guest_proof"), "contact_code");
    settled(&service);
}

#[test]
fn an_unreachable_mail_server_is_retried() {
    let mut server = MailServer::start();
    let line = Line::to("127.0.0.1:1");
    let mut service =
        with_server(MailServer::url_at(line.address.trim_start_matches("http://")), &[]);
    let owner = service.owner();
    let first = new_email();
    // Requests do not wait for the mail server.
    let begun = Instant::now();
    owner.invite(&owner.studio(), &first, "viewer", None).is(201);
    assert!(begun.elapsed() < Duration::from_secs(5));
    service.wait_for_log("mail delivery will be retried");
    // The service is killed while a mail is queued. After the restart the mail server rejects the mail
    // temporarily (451).
    service.kill();
    line.leads_to(&server.address);
    server.refuse(451);
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    service.restart();
    service.wait_for_log("the mail server answered 451");
    server.wait_for(&first, 1);
    settled(&service);
    assert_eq!(server.count(), 1, "the mail is delivered once");
}

#[test]
fn mail_to_an_unknown_mailbox_is_abandoned_and_not_logged() {
    let mut server = MailServer::start();
    server.refuse(550);
    let service = with_server(server.url(), &[]);
    let owner = service.owner();
    owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    // `Service` checks on drop that the log holds no address.
    service.wait_for_log("mail rejected by the mail server");
    settled(&service);
    // A mail that has expired is abandoned as well.
    server.refuse(451);
    owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    service.wait_for_log("the mail server answered 451");
    service.change_rows("UPDATE mails SET due_unix_s = 0, expires_unix_s = 1");
    service.wait_for_log("mail delivery abandoned");
    settled(&service);
    assert_eq!(server.count(), 0);
}

/// Returns the current value of a metric; `None` if it has no value yet.
fn metric(service: &Service, name: &str) -> Option<f64> {
    let log = service.log();
    let (_, rest) = log.split_once("Metrics are at ").expect("the address of the metrics");
    let address = rest.lines().next().unwrap();
    let text = ureq::get(address).call().unwrap().body_mut().read_to_string().unwrap();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut values = lines.filter(|(found, _)| *found == name).map(|(_, value)| value);
    values.next().map(|value| value.parse().unwrap())
}

#[test]
fn metrics_count_mail_outcomes() {
    let mut server = MailServer::start();
    let line = Line::to("127.0.0.1:1");
    let url = MailServer::url_at(line.address.trim_start_matches("http://"));
    let service = with_server(url, &[("PICPICK_METRICS_LISTEN", "127.0.0.1:0")]);
    let owner = service.owner();
    let invite = || owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    let outcome = |outcome: &str| {
        metric(&service, &format!("picpick_mail_delivery_attempts_total{{outcome=\"{outcome}\"}}"))
    };
    assert_eq!(metric(&service, "picpick_mails_pending"), Some(0.0));
    assert_eq!(metric(&service, "picpick_mail_oldest_age_seconds"), Some(0.0));
    invite();
    service.wait_for_log("mail delivery will be retried");
    service.change_rows("UPDATE mails SET created_unix_s = created_unix_s - 1000");
    assert_eq!(metric(&service, "picpick_mails_pending"), Some(1.0));
    assert!(metric(&service, "picpick_mail_oldest_age_seconds").unwrap() >= 1000.0);
    assert!(outcome("retry").unwrap() >= 1.0);
    assert_eq!((outcome("sent"), outcome("failed")), (None, None));
    line.leads_to(&server.address);
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    settled(&service);
    server.refuse(550);
    invite();
    settled(&service);
    assert_eq!((outcome("sent"), outcome("failed")), (Some(1.0), Some(1.0)));
    assert_eq!(metric(&service, "picpick_mail_oldest_age_seconds"), Some(0.0));
}

#[test]
fn invalid_mail_settings_are_rejected() {
    let sandbox = sandbox!();
    for (url, from, expected) in [
        ("smtp://u:secret@mail.example.com?tls=none", "a@b.example", "smtps://"),
        ("smtps://u:secret@mail.example.com", "", "--mail-from"),
        ("smtps://u:secret@mail.example.com", "not-an-address", "--mail-from"),
    ] {
        let mut command = sandbox.command();
        command.env("PICPICK_SMTP_URL", url).env_remove("PICPICK_MAIL_FROM");
        if !from.is_empty() {
            command.env("PICPICK_MAIL_FROM", from);
        }
        let outcome =
            picpick_tests::Outcome::of(command.args(["serve", "--listen", "127.0.0.1:0"]));
        let error = outcome.failed(2);
        assert!(error.contains(expected) && !error.contains("secret"), "{error}");
    }
}
