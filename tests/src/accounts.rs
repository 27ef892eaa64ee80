use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::outbox::latest_where;
use crate::service::Service;
use crate::smtp::token;

/// A person with an account, signed in. The tests create persons through the service's API, never by writing
/// database rows.
#[derive(Clone, Debug)]
pub struct Person {
    pub client: Client,
    pub id: String,
    pub email: String,
    pub password: String,
}

fn number() -> usize {
    static PEOPLE: AtomicUsize = AtomicUsize::new(1);
    PEOPLE.fetch_add(1, Ordering::SeqCst)
}

/// Returns a unique e-mail address.
pub fn new_email() -> String {
    format!("person-{}@mail.example", number())
}

/// Returns a unique password.
pub fn new_password() -> String {
    format!("battery staple {}", number())
}

impl Person {
    /// Signs in with `password` and, if given, the second factor's `code`. Returns the response.
    pub fn try_sign_in(&self, password: &str, code: Option<&str>) -> Answer {
        let mut body = json!({ "email": self.email, "password": password });
        if let Some(code) = code {
            body["code"] = Value::from(code);
        }
        self.client.signed_out().post("/session", &body)
    }

    /// Opens another session of this person. Returns its client.
    pub fn sign_in(&self) -> Client {
        let answer = self.try_sign_in(&self.password, None).is(201);
        self.client.with_cookie(&answer.cookie())
    }

    /// Creates a studio of this person. Returns its id.
    pub fn new_studio(&self, name: &str) -> String {
        self.client.post("/studios", &json!({ "name": name })).is(201).field("id")
    }

    /// Returns the id of the only studio that the person belongs to.
    pub fn studio(&self) -> String {
        let studios = self.client.get("/studios").is(200).items();
        assert_eq!(studios.len(), 1, "expected one studio, received {studios:?}");
        studios[0]["id"].as_str().unwrap().to_owned()
    }

    /// Returns the id of the person's studio with this name.
    pub fn studio_named(&self, name: &str) -> String {
        let studios = self.client.get("/studios").is(200).items();
        let named = studios.into_iter().find(|studio| studio["name"] == name);
        named.expect("a studio")["id"].as_str().unwrap().to_owned()
    }

    /// Creates an event in `studio`. Returns its id.
    pub fn new_event(&self, studio: &str, name: &str) -> String {
        let path = format!("/studios/{studio}/events");
        // Guests of tests prove themselves by their face alone, unless the test is about the other ways.
        let body = json!({ "name": name, "legal_basis": "consent", "guest_proof": "selfie" });
        self.client.post(&path, &body).is(201).field("id")
    }

    /// Invites `email` to `studio`, or to one event of it. Returns the response.
    pub fn invite(&self, studio: &str, email: &str, role: &str, event: Option<&str>) -> Answer {
        let mut body = json!({ "email": email, "role": role });
        if let Some(event) = event {
            body["event"] = Value::from(event);
        }
        self.client.post(&format!("/studios/{studio}/invitations"), &body)
    }

    /// Creates an API key of `studio`, or of one event of it, given the person's password. Returns the response.
    pub fn new_key(&self, studio: &str, role: &str, event: Option<&str>) -> Answer {
        let mut body =
            json!({ "name": format!("{role} key"), "role": role, "password": self.password });
        if let Some(event) = event {
            body["event"] = Value::from(event);
        }
        self.client.post(&format!("/studios/{studio}/keys"), &body)
    }

    /// Returns the id of this person's membership in `studio`, as listed for `owner`.
    pub fn membership(&self, owner: &Person, studio: &str) -> String {
        let members = owner.client.get(&format!("/studios/{studio}/members?limit=500")).is(200);
        let mine = members.items().into_iter().find(|member| member["user"] == self.id.as_str());
        mine.expect("a member")["id"].as_str().unwrap().to_owned()
    }
}

impl Service {
    /// Creates the first account with the setup link that the service prints.
    pub fn owner(&self) -> Person {
        let (client, email, password) = (self.client(), new_email(), new_password());
        let body = json!({
            "token": self.setup_token(), "email": email, "name": "The Owner", "password": password,
            "studio": "First Light",
        });
        let answer = client.post("/setup", &body).is(201);
        let (client, id) = (client.with_cookie(&answer.cookie()), answer.field("id"));
        Person { client, id, email, password }
    }

    /// Creates a person with a role in `studio`, or in one event of it, invited by `owner`.
    pub fn member(&self, owner: &Person, studio: &str, role: &str, event: Option<&str>) -> Person {
        let (client, email, password) = (self.client(), new_email(), new_password());
        owner.invite(studio, &email, role, event).is(201);
        let token = self.invitation_token(&email);
        let body = json!({ "token": token, "name": "New Member", "password": password });
        client.post("/invitations/accept", &body).is(204);
        let body = json!({ "email": email, "password": password });
        let answer = client.post("/session", &body).is(201);
        let (client, id) = (client.with_cookie(&answer.cookie()), answer.field("id"));
        Person { client, id, email, password }
    }

    /// Waits for an invitation to `email` whose token was not returned before. Returns its token.
    pub fn invitation_token(&self, email: &str) -> String {
        static RETURNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
        let is_new =
            |mail: &str| mail.contains("#ppi_") && !RETURNED.lock().contains(&token(mail, "ppi_"));
        let token = token(&latest_where(self, email, is_new), "ppi_");
        RETURNED.lock().insert(token.clone());
        self.remember(&token);
        token
    }

    /// Creates a person who owns a studio and has no access to any other. Returns the person and the studio's
    /// id.
    pub fn stranger(&self, owner: &Person) -> (Person, String) {
        // Only an invitation creates an account. The membership that the invitation grants is then removed.
        let studio = owner.studio();
        let person = self.member(owner, &studio, "viewer", None);
        let own = person.new_studio("Elsewhere");
        let membership = person.membership(owner, &studio);
        owner.client.delete(&format!("/studios/{studio}/members/{membership}")).is(200);
        (person, own)
    }
}
