use picpick_tests::album::{Album, place_of, sha256};
use picpick_tests::{Answer, Client, Person, Service, sample};
use serde_json::{Value, json};

/// The album's view PIN.
pub const VIEW: &str = "482913";
/// The album's annotate PIN.
pub const ANNOTATE: &str = "570264";

/// A studio with an event, and an album of it with a link.
pub struct Studio {
    pub owner: Person,
    pub photos: Album,
    pub album: String,
    /// The token of the album's link.
    pub token: String,
    /// The id of the album's link.
    pub link: String,
}

pub fn read(name: &str) -> Vec<u8> {
    std::fs::read(sample(name)).unwrap()
}

impl Studio {
    /// Creates an event and an album of all its photos, with both PINs and a link.
    pub fn new(service: &Service) -> Self {
        let owner = service.owner();
        let event = owner.new_event(&owner.studio(), "Wedding");
        let photos = Album { client: owner.client.clone(), event };
        let new = json!({ "name": "Asha & Ben", "view_pin": VIEW, "annotate_pin": ANNOTATE });
        let album = owner.client.post(&photos.path("/albums"), &new).is(201).field("id");
        let mut studio = Self { owner, photos, album, token: String::new(), link: String::new() };
        (studio.token, studio.link) = studio.new_link();
        studio
    }

    pub fn path(&self, rest: &str) -> String {
        self.photos.path(&format!("/albums/{}{rest}", self.album))
    }

    /// Creates a link to the album. Returns its token and its id.
    pub fn new_link(&self) -> (String, String) {
        let made =
            self.owner.client.post(&self.path("/links"), &json!({ "name": "Family" })).is(201);
        (made.field("token"), made.field("id"))
    }

    /// Creates a folder with `rules`. Returns its id.
    pub fn folder(&self, name: &str, rules: &Value) -> String {
        let path = self.photos.path("/folders");
        let id = self.owner.client.post(&path, &json!({ "name": name })).is(201).field("id");
        self.owner.client.patch(&format!("{path}/{id}"), rules).is(200);
        id
    }

    /// Uploads a photo into `folder`. Returns its id.
    pub fn upload(&self, name: &str, bytes: &[u8], folder: Option<&str>) -> String {
        let announced =
            self.photos.announce_as(name, bytes.len(), Some(&sha256(bytes)), folder).unwrap();
        let place = place_of(&announced.is(201));
        let sent = self.photos.send(&place, 0, bytes).unwrap().is(204);
        picpick_tests::album::header(&sent, "picpick-photo")
    }

    /// Changes rules of the event.
    pub fn rules(&self, rules: &Value) {
        self.owner.client.patch(&self.photos.path(""), rules).is(200);
    }

    /// Sends a change of the album. Returns the response.
    pub fn change(&self, change: &Value) -> Answer {
        self.owner.client.patch(&self.path(""), change)
    }
}

/// Tries to open an album session with a link's token and a PIN. Returns the response.
pub fn enter(client: &Client, token: &str, pin: &str) -> Answer {
    client.post("/album/session", &json!({ "token": token, "pin": pin }))
}

/// Returns a visitor with an album session, at a network address of their own.
pub fn visitor(service: &Service, studio: &Studio) -> Client {
    let client = service.client();
    let cookie = enter(&client, &studio.token, VIEW).is(204).cookie();
    client.with_cookie(&cookie)
}

/// Returns a visitor who also entered the annotate PIN and the name `name`.
pub fn annotator(service: &Service, studio: &Studio, name: &str) -> Client {
    let client = visitor(service, studio);
    let named = json!({ "pin": ANNOTATE, "name": name });
    client.with_cookie(&client.put("/album/annotator", &named).is(204).cookie())
}

/// Returns the ids of the photos in a visitor's list.
pub fn listed(client: &Client) -> Vec<String> {
    let items = client.get("/album/photos").is(200).items();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}
