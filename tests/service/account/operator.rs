//! `picpick account`, beside a running service.

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::outbox::latest_to;
use picpick_tests::smtp::token;
use picpick_tests::{Outcome, Service, on_both_databases, sandbox};
use serde_json::json;

use super::sign_in::{code, with_second_factor};

on_both_databases!(
    a_lost_second_factor_is_removed,
    a_forgotten_password_is_replaced,
    sessions_of_one_or_of_all_users_end,
    accounts_are_listed_and_unknown_ones_named,
);

/// Runs `picpick account` with `arguments`, which must succeed. Its text must fit 80 columns, except for links.
fn done(service: &Service, arguments: &[&str]) -> Outcome {
    let outcome = service.run(&[&["account"], arguments].concat());
    assert_eq!(outcome.status, 0, "{outcome:?}");
    for line in outcome.stdout.lines().filter(|line| !line.contains("/reset#")) {
        assert!(line.chars().count() <= 80, "{line}");
    }
    outcome
}

fn audited(service: &Service, action: &str, person: &str) -> i64 {
    service.number(&format!(
        "SELECT COUNT(*) FROM audit WHERE action = '{action}' AND actor = 'system' AND target = '{person}'"
    ))
}

fn a_lost_second_factor_is_removed(service: Service) {
    let owner = service.owner();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    let app = with_second_factor(&service, &member);
    with_second_factor(&service, &owner);
    member.try_sign_in(&member.password, None).fails(401, "wrong_credentials");
    // The address may be typed in capital letters.
    done(&service, &["reset-second-factor", &member.email.to_uppercase()]);
    member.client.get("/me").fails(401, "unauthenticated");
    member.sign_in();
    latest_to(&service, &member.email, "has removed the second factor");
    assert_eq!(audited(&service, "second_factor_reset", &member.id), 1);
    assert_eq!(service.run(&["audit", "verify"]).status, 0);
    let codes = format!("SELECT COUNT(*) FROM recovery_codes WHERE user_id = '{}'", member.id);
    assert_eq!(service.number(&codes), 0);
    // Other accounts keep theirs, and a second run says that there is none.
    owner.try_sign_in(&owner.password, None).fails(401, "wrong_credentials");
    let again = service.run(&["account", "reset-second-factor", &member.email]).failed(1);
    assert!(again.contains("no second factor"), "{again}");
    // The owner sets up another one.
    let own = member.try_sign_in(&member.password, Some(&code(&app, 0))).is(201).cookie();
    let proof = json!({ "password": member.password });
    member.client.with_cookie(&own).post("/me/second-factor", &proof).is(201);
}

fn sessions_of_one_or_of_all_users_end(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let member = service.member(&owner, &studio, "viewer", None);
    let key = owner.new_key(&studio, "viewer", None).is(201).field("key");
    let keyed = owner.client.with_key(&key);
    let (second, theirs) = (owner.sign_in(), member.sign_in());
    let ended = done(&service, &["end-sessions", &owner.email.to_uppercase()]);
    assert!(ended.stdout.contains("2 sessions"), "{ended:?}");
    for session in [&owner.client, &second] {
        session.get("/me").fails(401, "unauthenticated");
    }
    theirs.get("/me").is(200);
    keyed.get(&format!("/studios/{studio}")).is(200);
    assert_eq!(audited(&service, "sessions_end", &owner.id), 1);
    let again = owner.sign_in();
    assert_eq!(service.run(&["account", "end-sessions"]).status, 2, "of whom is not said");
    assert_eq!(service.run(&["account", "end-sessions", &owner.email, "--all"]).status, 2);
    service.run(&["account", "end-sessions", &new_email()]).failed(1);
    done(&service, &["end-sessions", "--all"]);
    for session in [&again, &theirs, &member.client] {
        session.get("/me").fails(401, "unauthenticated");
    }
    assert_eq!(audited(&service, "sessions_end", ""), 1);
    assert_eq!(service.run(&["audit", "verify"]).status, 0);
}

fn a_forgotten_password_is_replaced(service: Service) {
    let mut owner = service.owner();
    let printed = done(&service, &["reset", &owner.email, "--public-url", "https://a.example"]);
    let link = printed.stdout.lines().find(|line| line.contains("/reset#")).unwrap();
    let token_of = |text: &str| {
        let token = token(text, "ppr_");
        service.remember(&token);
        token
    };
    assert!(link.starts_with("https://a.example/reset#ppr_"), "{link}");
    owner.sign_in();
    let new = new_password();
    let body = json!({ "token": token_of(link), "password": new });
    service.client().put("/password-resets", &body).is(204);
    service.client().put("/password-resets", &body).fails(410, "gone");
    owner.client.get("/me").fails(401, "unauthenticated");
    owner.password = new;
    owner.sign_in();
    assert_eq!(audited(&service, "password_reset_link", &owner.id), 1);
    // With `--mail`, the running service sends the link.
    let mailed = done(&service, &["reset", &owner.email, "--mail"]);
    assert!(!mailed.stdout.contains("ppr_"), "{mailed:?}");
    let mail = latest_to(&service, &owner.email, "#ppr_");
    let body = json!({ "token": token_of(&mail), "password": new_password() });
    service.client().put("/password-resets", &body).is(204);
    assert_eq!(service.run(&["audit", "verify"]).status, 0);
}

fn accounts_are_listed_and_unknown_ones_named(service: Service) {
    let none = done(&service, &["list"]);
    assert!(none.stdout.contains("no accounts yet"), "{none:?}");
    let owner = service.owner();
    let member = service.member(&owner, &owner.studio(), "viewer", None);
    with_second_factor(&service, &member);
    let listed = done(&service, &["list"]).stdout;
    let line = |email: &str| listed.lines().find(|line| line.contains(email)).unwrap().to_owned();
    assert!(line(&member.email).starts_with("on") && line(&owner.email).starts_with("off"));
    let document = service.run(&["--json", "account", "list"]).document();
    let accounts = document["accounts"].as_array().unwrap();
    assert!(accounts.len() == 2 && accounts.iter().any(|one| one["email"] == owner.email.as_str()));
    let unknown = new_email();
    for command in ["reset", "reset-second-factor", "permit-studios"] {
        let message = service.run(&["account", command, &unknown]).failed(1);
        assert!(message.contains(&unknown) && message.contains("account list"), "{message}");
        let message = service.run(&["account", command, "asha"]).failed(2);
        assert!(message.contains("account list"), "{message}");
    }
    // Another data folder has no accounts, and the command creates nothing in it.
    let empty = sandbox!();
    let message = empty.run(["account", "list"]).failed(2);
    assert!(message.contains("picpick serve"), "{message}");
    assert!(!empty.data().exists());
}
