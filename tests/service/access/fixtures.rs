use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use picpick_tests::accounts::{new_email, new_password};
use picpick_tests::album::{Album, place_of, variant};
use picpick_tests::guest::{new_link, register, request, welcome};
use picpick_tests::openapi::unknown_id;
use picpick_tests::synthetic_head::{Head, head_of};
use picpick_tests::{Client, Person, Service, sample};
use serde_json::json;

use super::table::ROLES;

/// The path parameters and body fields that get the id of an existing resource. All others get an unknown id.
pub const KINDS: [&str; 19] = [
    "studio",
    "event",
    "folder",
    "member",
    "key",
    "invitation",
    "session",
    "photo",
    "upload",
    "face",
    // The two faces of a comparison.
    "a",
    "b",
    "album",
    "link",
    "guest",
    "guest_link",
    // A contact on an event's guest list.
    "entry",
    "request",
    "challenge",
];
const VIEW_PIN: &str = "246813";
const ANNOTATE_PIN: &str = "975310";

/// A caller's relation to the studio under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// A caller without credentials.
    Anonymous,
    /// An owner of another studio.
    Foreign,
    /// A role in the whole studio.
    Studio(&'static str),
    /// A role in the event under test, and in no other.
    Event(&'static str),
    /// A visitor with a session of the event's album.
    Visitor { annotates: bool },
    /// A guest with a session of the event.
    Guest { verified: bool },
}

/// The location of a resource relative to the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the studio and the event under test.
    Own,
    /// In another event of the studio under test.
    Sibling,
    /// In another studio.
    Foreign,
    /// An id of no resource.
    Unknown,
}

/// A client that sends requests, and its relation to the studio under test.
#[derive(Clone, Debug)]
pub struct Caller {
    pub name: String,
    pub client: Client,
    pub standing: Standing,
    /// The user's account; absent for an API key, a visitor, a guest and an anonymous caller.
    pub person: Option<Person>,
}

impl Caller {
    pub fn anonymous(client: Client) -> Self {
        Self { name: "anonymous".into(), client, standing: Standing::Anonymous, person: None }
    }

    pub fn is_anonymous(&self) -> bool {
        self.standing == Standing::Anonymous
    }

    pub fn is_for_one_event(&self) -> bool {
        matches!(self.standing, Standing::Event(_))
    }

    fn person(who: &str, standing: Standing, person: Person) -> Self {
        let client = person.client.clone();
        Self { name: format!("{who}, a person"), client, standing, person: Some(person) }
    }

    fn key(who: &str, standing: Standing, client: Client) -> Self {
        Self { name: format!("{who}, a key"), client, standing, person: None }
    }
}

/// Two studios with resources of every kind, and callers of every kind.
pub struct World<'a> {
    service: &'a Service,
    /// The owner of the studio under test, who creates its resources and is not one of the callers.
    owner: Person,
    /// The owner of the other studio, who creates its resources and is not one of the callers.
    stranger: Person,
    /// The ids of the resources that no request deletes, by location and kind. All requests share these
    /// resources.
    things: BTreeMap<(u8, &'static str), String>,
    pub callers: Vec<Caller>,
    /// The token of the album's link.
    token: String,
    /// The token of the event's link for guests.
    guest_token: String,
    /// The head that verified guests show to the camera.
    head: Head,
    /// The album created last, in which links are created.
    album: RefCell<String>,
}

/// Creates an album of `event` with a link. Returns the album's id, the link's id and the link's token.
fn new_album(owner: &Person, event: &str) -> [String; 3] {
    let path = format!("/events/{event}/albums");
    let new = json!({ "name": "A", "view_pin": VIEW_PIN, "annotate_pin": ANNOTATE_PIN });
    let album = owner.client.post(&path, &new).is(201).field("id");
    let link = owner.client.post(&format!("{path}/{album}/links"), &json!({})).is(201);
    [album, link.field("id"), link.field("token")]
}

/// Creates the callers: each role in the studio and in the event, as a user and as an API key; an owner of
/// another studio; visitors, guests, and an anonymous caller.
fn callers(
    service: &Service,
    owner: &Person,
    stranger: &Person,
    [studio, elsewhere, event]: [&str; 3],
) -> Vec<Caller> {
    let mut callers = vec![Caller::anonymous(service.client())];
    // The caller is a second owner of the other studio, because requests may end a caller's sessions and the
    // sessions of the first owner must not end.
    let foreign = service.member(stranger, elsewhere, "owner", None);
    callers.push(Caller::person("a foreign owner", Standing::Foreign, foreign));
    let key = stranger.new_key(elsewhere, "owner", None).is(201).field("key");
    let keyed = service.client().with_key(&key);
    callers.push(Caller::key("a foreign owner", Standing::Foreign, keyed));
    for role in ROLES {
        for only in [None, Some(event)] {
            let standing = only.map_or(Standing::Studio(role), |_| Standing::Event(role));
            let who = only.map_or(role.to_owned(), |_| format!("{role} of the event"));
            let person = service.member(owner, studio, role, only);
            callers.push(Caller::person(&who, standing, person));
            let key = owner.new_key(studio, role, only).is(201).field("key");
            callers.push(Caller::key(&who, standing, service.client().with_key(&key)));
        }
    }
    for annotates in [false, true] {
        let (name, standing) =
            (format!("a visitor, annotates: {annotates}"), Standing::Visitor { annotates });
        callers.push(Caller { name, client: service.client(), standing, person: None });
    }
    for verified in [false, true] {
        let (name, standing) =
            (format!("a guest, verified: {verified}"), Standing::Guest { verified });
        callers.push(Caller { name, client: service.client(), standing, person: None });
    }
    callers
}

/// Creates a link for guests. Returns its id.
fn new_guest_link(owner: &Person, event: &str) -> String {
    owner.client.post(&format!("/events/{event}/guest-links"), &json!({})).is(201).field("id")
}

/// Adds a contact to the guest list of `event`. Returns the entry's id.
fn new_entry(owner: &Person, event: &str) -> String {
    let path = format!("/events/{event}/guest-list");
    owner.client.post(&path, &json!({ "contacts": [new_email()] })).is(200);
    let newest = owner.client.get(&format!("{path}?limit=500")).is(200).items().pop().expect("one");
    newest["id"].as_str().unwrap().to_owned()
}

/// Creates a guest of `event`, an access request, and a challenge in progress. Returns their ids.
fn new_guests(service: &Service, owner: &Person, event: &str) -> [String; 3] {
    let token = new_link(owner, event);
    let client = register(service, &token, "G", &new_email());
    let body = request(&token, "G", &new_email(), "Here");
    service.client().post("/guest/requests", &body).is(204);
    let newest = |list: &str| {
        let path = format!("/events/{event}/{list}?limit=500");
        let newest = owner.client.get(&path).is(200).items().pop().expect("one");
        newest["id"].as_str().unwrap().to_owned()
    };
    let challenge = client.json("POST", "/guest/challenges", None).is(201).field("id");
    [newest("guests"), newest("guest-requests"), challenge]
}

impl<'a> World<'a> {
    pub fn new(service: &'a Service) -> Self {
        let owner = service.owner();
        let (stranger, elsewhere) = service.stranger(&owner);
        let studio = owner.studio();
        let mut things = BTreeMap::new();
        let mut put = |place: Place, kind, id: String| things.insert((place as u8, kind), id);
        let (event, sibling) =
            (owner.new_event(&studio, "Own"), owner.new_event(&studio, "Sibling"));
        // Downloads are allowed, so that only the access rules decide.
        let taken = json!({ "downloads": "original" });
        owner.client.patch(&format!("/events/{event}"), &taken).is(200);
        put(Place::Own, "studio", studio.clone());
        put(Place::Own, "event", event.clone());
        put(Place::Sibling, "event", sibling);
        let foreign_event = stranger.new_event(&elsewhere, "Foreign");
        let folder = format!("/events/{foreign_event}/folders");
        let folder = stranger.client.post(&folder, &json!({ "name": "F" })).is(201).field("id");
        let member = service.member(&stranger, &elsewhere, "viewer", None);
        put(Place::Foreign, "member", member.membership(&stranger, &elsewhere));
        let key = stranger.new_key(&elsewhere, "viewer", None).is(201).field("id");
        let invitation =
            stranger.invite(&elsewhere, &new_email(), "viewer", None).is(201).field("id");
        let sessions = stranger.client.get("/me/sessions").is(200).items();
        put(Place::Foreign, "session", sessions[0]["id"].as_str().unwrap().to_owned());
        put(Place::Foreign, "studio", elsewhere.clone());
        let [album, link, _] = new_album(&stranger, &foreign_event);
        put(Place::Foreign, "album", album);
        put(Place::Foreign, "link", link);
        let [guest, request, challenge] = new_guests(service, &stranger, &foreign_event);
        put(Place::Foreign, "guest", guest);
        put(Place::Foreign, "request", request);
        put(Place::Foreign, "guest_link", new_guest_link(&stranger, &foreign_event));
        put(Place::Foreign, "entry", new_entry(&stranger, &foreign_event));
        put(Place::Foreign, "challenge", challenge);
        put(Place::Foreign, "event", foreign_event.clone());
        put(Place::Foreign, "folder", folder);
        put(Place::Foreign, "key", key);
        put(Place::Foreign, "invitation", invitation);
        let ours = Album { client: owner.client.clone(), event: event.clone() };
        let theirs = Album { client: stranger.client.clone(), event: foreign_event };
        for (place, album) in [(Place::Own, &ours), (Place::Foreign, &theirs)] {
            // A face's id is derived from its photo's content, so the other studio needs a different file.
            let picture = variant(&picture(), place as usize);
            let photo = album.upload("kept.jpg", &picture);
            album.wait_until_indexed();
            let found = album.search(&picture, "").is(200).document();
            let face = found["matches"][0]["face"].as_str().expect("a face").to_owned();
            for kind in ["face", "a", "b"] {
                put(place, kind, face.clone());
            }
            // Requests delete photos and uploads of the studio under test, so `id` creates them on demand.
            if place == Place::Foreign {
                put(place, "photo", photo);
                put(place, "upload", begun(album));
            }
        }
        let callers = callers(service, &owner, &stranger, [&studio, &elsewhere, &event]);
        let guest_token = new_link(&owner, &event);
        let head = head_of("obama3.jpg");
        let [album, _, token] = new_album(&owner, &event);
        let album = RefCell::new(album);
        let mut world =
            Self { service, owner, stranger, things, callers, token, album, guest_token, head };
        (0..world.callers.len()).for_each(|caller| world.sign_in_again(caller));
        world
    }

    fn thing(&self, place: Place, kind: &str) -> Option<String> {
        let found = self.things.iter().find(|((at, of), _)| *at == place as u8 && *of == kind);
        found.map(|(_, id)| id.clone())
    }

    /// Returns the value of the parameter or field `name` in a request of `caller` for a resource in `place`;
    /// `None` if the API description is enough to generate the value.
    pub fn fill(&self, name: &str, place: Place, caller: &Caller) -> Option<String> {
        let made_up = || format!("{}-{}", name, unknown_id());
        let person = caller.person.as_ref();
        match name {
            // Names are unique, because a second folder of the same name is rejected.
            "name" => Some(made_up()),
            "password" | "current" | "new" => {
                Some(person.map_or_else(new_password, |person| person.password.clone()))
            }
            "pin" => Some(ANNOTATE_PIN.into()),
            // An optional field, without which the erasure would erase the face of the other requests.
            "privacy_request" => Some(unknown_id()),
            "email" => Some(person.map_or_else(new_email, |person| person.email.clone())),
            kind if KINDS.contains(&kind) => Some(self.id(kind, place, caller)),
            _ => None,
        }
    }

    /// Returns the id of a resource of `kind` in `place`, and creates the resource if requests may delete it.
    fn id(&self, kind: &str, place: Place, caller: &Caller) -> String {
        if place == Place::Unknown {
            return unknown_id();
        }
        if let Some(id) = self.thing(place, kind) {
            return id;
        }
        let (owner, studio) = (&self.owner, self.thing(Place::Own, "studio").unwrap());
        let event = self.thing(place, "event").or_else(|| self.thing(Place::Own, "event")).unwrap();
        let album = || Album { client: owner.client.clone(), event: event.clone() };
        match (kind, &caller.person) {
            ("photo", _) => spare_photo(&album()),
            ("upload", _) => begun(&album()),
            ("folder", _) => {
                let path = format!("/events/{event}/folders");
                owner.client.post(&path, &json!({ "name": unknown_id() })).is(201).field("id")
            }
            ("album", _) => {
                let [album, ..] = new_album(owner, &event);
                *self.album.borrow_mut() = album.clone();
                album
            }
            ("link", _) => {
                let path = format!("/events/{event}/albums/{}/links", self.album.borrow());
                owner.client.post(&path, &json!({})).is(201).field("id")
            }
            ("guest_link", _) => new_guest_link(owner, &event),
            ("entry", _) => new_entry(owner, &event),
            ("guest", _) => {
                let [guest, ..] = new_guests(self.service, owner, &event);
                guest
            }
            ("request", _) => {
                let [_, request, _] = new_guests(self.service, owner, &event);
                request
            }
            ("challenge", _) if matches!(caller.standing, Standing::Guest { .. }) => {
                caller.client.json("POST", "/guest/challenges", None).is(201).field("id")
            }
            ("member", _) => {
                let member = self.service.member(owner, &studio, "viewer", None);
                member.membership(owner, &studio)
            }
            ("key", _) => owner.new_key(&studio, "viewer", None).is(201).field("id"),
            ("invitation", _) => {
                owner.invite(&studio, &new_email(), "viewer", None).is(201).field("id")
            }
            ("session", Some(person)) => {
                let sessions = person.sign_in().get("/me/sessions").is(200).items();
                let new = sessions.into_iter().find(|session| session["current"] == true).unwrap();
                new["id"].as_str().unwrap().to_owned()
            }
            _ => unknown_id(),
        }
    }

    /// Creates an event that a request may delete, and gives the caller the same role in it. Returns the
    /// caller and the event's id.
    pub fn with_fresh_event(&self, caller: usize) -> (Caller, String) {
        let mut caller = self.callers[caller].clone();
        let studio = self.thing(Place::Own, "studio").unwrap();
        let event = self.owner.new_event(&studio, "Fresh");
        if let Standing::Event(role) = caller.standing {
            match &caller.person {
                Some(person) => {
                    self.owner.invite(&studio, &person.email, role, Some(&event)).is(201);
                    let token = self.service.invitation_token(&person.email);
                    person.client.post("/me/invitations", &json!({ "token": token })).is(204);
                }
                None => {
                    let key = self.owner.new_key(&studio, role, Some(&event)).is(201).field("key");
                    caller.client = caller.client.with_key(&key);
                }
            }
        }
        (caller, event)
    }

    /// Opens a new session for a caller whose session has ended.
    pub fn sign_in_again(&mut self, caller: usize) {
        let caller = &mut self.callers[caller];
        if let Standing::Visitor { annotates } = caller.standing
            && (caller.client.get("/album").status == 401 || !annotates)
        {
            let outside = caller.client.signed_out();
            let entry = json!({ "token": self.token, "pin": VIEW_PIN });
            let cookie = outside.post("/album/session", &entry).is(204).cookie();
            caller.client = outside.with_cookie(&cookie);
            if annotates {
                let second = json!({ "pin": ANNOTATE_PIN, "name": "V" });
                let named = caller.client.put("/album/annotator", &second).is(204);
                caller.client = outside.with_cookie(&named.cookie());
            }
        }
        if let Standing::Guest { verified } = caller.standing
            && caller.client.get("/guest").status == 401
        {
            let (token, email) = (&self.guest_token, new_email());
            caller.client = match verified {
                true => welcome(self.service, token, "G", &email, &self.head),
                false => register(self.service, token, "G", &email),
            };
        }
        if let Some(person) = &mut caller.person
            && caller.client.get("/me").status == 401
        {
            caller.client = person.sign_in();
            person.client = caller.client.clone();
        }
    }

    /// Asserts that all resources of the other studio still exist and that the stranger can still read them.
    pub fn assert_foreign_unchanged(&self) {
        let thing = |kind: &str| self.thing(Place::Foreign, kind).unwrap();
        let (studio, event) = (thing("studio"), thing("event"));
        let client = &self.stranger.client;
        assert_eq!(client.get(&format!("/studios/{studio}")).is(200).field("name"), "Elsewhere");
        assert_eq!(client.get(&format!("/events/{event}")).is(200).field("name"), "Foreign");
        for (kind, list) in [
            ("folder", format!("/events/{event}/folders")),
            ("member", format!("/studios/{studio}/members")),
            ("key", format!("/studios/{studio}/keys")),
            ("invitation", format!("/studios/{studio}/invitations")),
            ("session", "/me/sessions".to_owned()),
            ("guest", format!("/events/{event}/guests")),
            ("guest_link", format!("/events/{event}/guest-links")),
            ("entry", format!("/events/{event}/guest-list")),
            ("request", format!("/events/{event}/guest-requests")),
            ("album", format!("/events/{event}/albums")),
            ("link", format!("/events/{event}/albums/{}/links", thing("album"))),
            ("photo", format!("/events/{event}/photos")),
        ] {
            let items = client.get(&list).is(200).items();
            let id = thing(kind);
            assert!(items.iter().any(|item| item["id"] == id.as_str()), "the {kind} is gone");
        }
        let theirs = Album { client: client.clone(), event };
        let upload = theirs.path(&format!("/uploads/{}", thing("upload")));
        assert_eq!(theirs.offset(&upload), 0, "no caller has added to the upload");
        let face = json!({ "face": thing("face") });
        let found = client.post(&theirs.path("/search/face"), &face).is(200).document();
        assert_eq!(found["matches"][0]["photo"], thing("photo").as_str());
    }
}

fn picture() -> Vec<u8> {
    std::fs::read(sample("obama.jpg")).unwrap()
}

/// Returns the id of a photo that a request may delete: an existing spare one, or a new one.
fn spare_photo(album: &Album) -> String {
    const NAME: &str = "spare.jpg";
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    match album.photos().iter().find(|photo| photo["name"] == NAME) {
        Some(photo) => photo["id"].as_str().unwrap().to_owned(),
        None => {
            // The number is higher than those of the variants that `World` uploads for each `Place`.
            let number = 1000 + NUMBER.fetch_add(1, Ordering::SeqCst);
            album.upload(NAME, &variant(&picture(), number))
        }
    }
}

/// Creates an upload without any bytes. Returns its id.
fn begun(album: &Album) -> String {
    let announced = album.announce_as("begun.jpg", 1000, None, None).unwrap().is(201);
    place_of(&announced).rsplit('/').next().unwrap().to_owned()
}
