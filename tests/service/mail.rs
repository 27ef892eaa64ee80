//! Mail of the service: invitations and new passwords, into files on both databases, and to a real mail server
//! that is away, refuses, or takes its time.

use std::time::{Duration, Instant};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::outbox::{only_with, outbox, settled};
use picpick_tests::smtp::{MailServer, token};
use picpick_tests::tcp_proxy::Line;
use picpick_tests::{Client, Person, Service, on_both_databases, sandbox};
use serde_json::json;

on_both_databases!(
    an_invitation_is_mailed,
    a_new_password_comes_by_mail_once,
    asking_tells_nothing_and_fills_no_mailbox,
    what_waits_lies_sealed,
);

fn ask(client: &Client, email: &str) {
    let answer = client.post("/password-resets", &json!({ "email": email })).is(202);
    assert!(answer.body.is_empty(), "the same for every address: {answer:?}");
}

fn an_invitation_is_mailed(service: Service) {
    let owner = service.owner();
    let email = new_email();
    let invited = owner.invite(&owner.studio(), &email, "viewer", None).is(201);
    let mails = outbox(&service, 1);
    let sent = token(&mails[0], "ppi_");
    assert_eq!(sent, invited.field("token"), "the same link, by another way");
    assert!(mails[0].contains(&format!("To: {email}")) && mails[0].contains("First Light"));
    assert!(mails[0].contains(&service.address()), "{}", mails[0]);
    let body = json!({ "token": sent, "name": "Some Body", "password": new_password() });
    service.client().post("/invitations/accept", &body).is(204);
}

fn a_new_password_comes_by_mail_once(service: Service) {
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
    // Nothing has happened so far.
    owner.client.get("/me").is(200);
    let password = new_password();
    set(&link, &password).is(204);
    owner.client.get("/me").fails(401, "signed_out");
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    let owner = Person { password, ..owner };
    owner.sign_in().get("/me").is(200);
    set(&link, &new_password()).fails(410, "gone");
    only_with(&outbox(&service, 2), "was changed");
    let audit = service.run(&["--json", "audit", "verify"]);
    assert_eq!(audit.status, 0, "{audit:?}");
    let noted = "SELECT COUNT(*) FROM audit WHERE action = 'password_reset'";
    assert_eq!(service.number(noted), 1);
}

fn asking_tells_nothing_and_fills_no_mailbox(service: Service) {
    let owner = service.owner();
    let client = service.client();
    for _ in 0..9 {
        ask(&client, &owner.email);
        ask(&client, &new_email());
    }
    client.post("/password-resets", &json!({ "email": "nobody" })).fails(422, "invalid");
    settled(&service);
    let mails = outbox(&service, 3);
    assert!(mails.iter().all(|mail| mail.contains(&owner.email)), "three links are enough");
    // A link that has had its hour is none.
    assert_eq!(service.change_rows("UPDATE links SET expires_unix_s = 1 WHERE kind = 'reset'"), 3);
    let body = json!({ "token": token(&mails[0], "ppr_"), "password": new_password() });
    client.put("/password-resets", &body).fails(410, "gone");
    ask(&client, &owner.email);
    outbox(&service, 4);
}

fn what_waits_lies_sealed(mut service: Service) {
    let owner = service.owner();
    // A file where the folder should be: nothing gets out.
    std::fs::write(service.sandbox.data().join("outbox"), "in the way").unwrap();
    let email = new_email();
    let token = owner.invite(&owner.studio(), &email, "viewer", None).is(201).field("token");
    service.wait_for_log("mail delivery will be retried");
    assert_eq!(service.number("SELECT COUNT(*) FROM mails"), 1);
    let plain = format!("SELECT COUNT(*) FROM mails WHERE sealed LIKE '%{}%'", &token[..8]);
    assert_eq!(service.number(&plain), 0);
    service.kill();
    std::fs::remove_file(service.sandbox.data().join("outbox")).unwrap();
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    service.restart();
    assert!(outbox(&service, 1)[0].contains(&token), "a restart loses nothing");
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
fn a_mail_server_takes_what_is_sent() {
    let server = MailServer::start();
    let service = with_server(server.url(), &[]);
    service.remember("p@ss word");
    service.remember("p%40ss");
    let owner = service.owner();
    let email = new_email();
    let invited = owner.invite(&owner.studio(), &email, "viewer", None).is(201);
    let [mail] = server.wait_for(&email, 1).try_into().unwrap();
    assert_eq!(mail["from"], "PicPick <photos@studio.example>");
    assert_eq!(mail["auto-submitted"], "auto-generated");
    assert!(mail["message-id"].as_str().unwrap().ends_with("@studio.example>"), "{mail}");
    let link = format!("{}/invitation#{}", service.address(), invited.field("token"));
    assert!(mail["text"].as_str().unwrap().contains(&link), "{mail}");
    settled(&service);
}

#[test]
fn a_mail_server_that_is_away_is_tried_again() {
    let mut server = MailServer::start();
    let line = Line::to("127.0.0.1:1");
    let mut service =
        with_server(MailServer::url_at(line.address.trim_start_matches("http://")), &[]);
    let owner = service.owner();
    let first = new_email();
    // No request waits for a mail server.
    let begun = Instant::now();
    owner.invite(&owner.studio(), &first, "viewer", None).is(201);
    assert!(begun.elapsed() < Duration::from_secs(5));
    service.wait_for_log("mail delivery will be retried");
    // Killed while a mail waits, and refused for the moment by the server that is there then.
    service.kill();
    line.leads_to(&server.address);
    server.refuse(451);
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    service.restart();
    service.wait_for_log("the mail server answered 451");
    server.wait_for(&first, 1);
    settled(&service);
    assert_eq!(server.count(), 1, "once");
}

#[test]
fn a_mailbox_that_does_not_exist_is_given_up_and_not_told() {
    let mut server = MailServer::start();
    server.refuse(550);
    let service = with_server(server.url(), &[]);
    let owner = service.owner();
    owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    // That no address is in the log, the service's end checks.
    service.wait_for_log("mail rejected by the mail server");
    settled(&service);
    // What is too old is given up as well.
    server.refuse(451);
    owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    service.wait_for_log("the mail server answered 451");
    service.change_rows("UPDATE mails SET due_unix_s = 0, ends_unix_s = 1");
    service.wait_for_log("mail delivery abandoned");
    settled(&service);
    assert_eq!(server.count(), 0);
}

/// The value of a figure; `None` where there is none yet.
fn figure(service: &Service, name: &str) -> Option<f64> {
    let log = service.log();
    let (_, rest) = log.split_once("Metrics are at ").expect("an address of figures");
    let address = rest.lines().next().unwrap();
    let text = ureq::get(address).call().unwrap().body_mut().read_to_string().unwrap();
    let lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    let mut values = lines.filter(|(found, _)| *found == name).map(|(_, value)| value);
    values.next().map(|value| value.parse().unwrap())
}

#[test]
fn figures_tell_what_becomes_of_mail() {
    let mut server = MailServer::start();
    let line = Line::to("127.0.0.1:1");
    let url = MailServer::url_at(line.address.trim_start_matches("http://"));
    let service = with_server(url, &[("PICPICK_METRICS_LISTEN", "127.0.0.1:0")]);
    let owner = service.owner();
    let invite = || owner.invite(&owner.studio(), &new_email(), "viewer", None).is(201);
    let outcome =
        |outcome: &str| figure(&service, &format!("picpick_mails_total{{outcome=\"{outcome}\"}}"));
    assert_eq!(figure(&service, "picpick_mails_waiting"), Some(0.0));
    assert_eq!(figure(&service, "picpick_mail_oldest_seconds"), Some(0.0));
    invite();
    service.wait_for_log("mail delivery will be retried");
    service.change_rows("UPDATE mails SET created_unix_s = created_unix_s - 1000");
    assert_eq!(figure(&service, "picpick_mails_waiting"), Some(1.0));
    assert!(figure(&service, "picpick_mail_oldest_seconds").unwrap() >= 1000.0);
    assert!(outcome("later").unwrap() >= 1.0);
    assert_eq!((outcome("sent"), outcome("failed")), (None, None));
    line.leads_to(&server.address);
    service.change_rows("UPDATE mails SET due_unix_s = 0");
    settled(&service);
    server.refuse(550);
    invite();
    settled(&service);
    assert_eq!((outcome("sent"), outcome("failed")), (Some(1.0), Some(1.0)));
    assert_eq!(figure(&service, "picpick_mail_oldest_seconds"), Some(0.0));
}

#[test]
fn a_server_without_encryption_is_refused_beyond_this_computer() {
    let sandbox = sandbox!();
    for (url, from, expected) in [
        ("smtp://u:secret@mail.example.com?tls=none", "a@b.example", "smtps://"),
        ("smtps://u:secret@mail.example.com", "", "--mail-from"),
        ("smtps://u:secret@mail.example.com", "nobody", "--mail-from"),
    ] {
        let mut command = sandbox.command();
        command.env("PICPICK_SMTP_URL", url).env_remove("PICPICK_MAIL_FROM");
        if !from.is_empty() {
            command.env("PICPICK_MAIL_FROM", from);
        }
        let outcome =
            picpick_tests::Outcome::of(command.args(["serve", "--listen", "127.0.0.1:0"]));
        let said = outcome.failed(2);
        assert!(said.contains(expected) && !said.contains("secret"), "{said}");
    }
}
