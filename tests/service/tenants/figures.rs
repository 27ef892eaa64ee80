//! What the studios use, after any order of uploads, removals, erasures and crashes.

use std::time::Duration;

use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, place_of, variant};
use picpick_tests::guest::{new_link, registration, wait_until};
use picpick_tests::pictures::Drawing;
use picpick_tests::{Person, Request, Rng, Service};

use super::event_of;

/// Random operations of a run.
const OPERATIONS: usize = 120;
/// One in this many operations is interrupted by a kill of the service.
const KILL_ONE_IN: u64 = 12;

/// A figure that is stored, counted again by the statement; `{}` stands for the studio's id.
const FIGURES: [(&str, &str); 4] = [
    ("guests", "SELECT COUNT(*) FROM guest_consents WHERE studio_id = '{}'"),
    (
        "open_uploads",
        "SELECT COUNT(*) FROM uploads WHERE photo_id IS NULL \
         AND event_id IN (SELECT id FROM events WHERE studio_id = '{}')",
    ),
    (
        "storage_bytes",
        "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM photos \
         WHERE event_id IN (SELECT id FROM events WHERE studio_id = '{}')",
    ),
    (
        "upload_bytes",
        "SELECT CAST(COALESCE(SUM(bytes), 0) AS BIGINT) FROM uploads WHERE photo_id IS NULL \
         AND event_id IN (SELECT id FROM events WHERE studio_id = '{}')",
    ),
];

/// Returns the stored figures that are not those counted again.
fn wrong(service: &Service, studios: &[String]) -> Vec<String> {
    let mut wrong = Vec::new();
    for studio in studios {
        for (kind, count) in FIGURES {
            let counted = service.number(&count.replace("{}", studio));
            let stored = service.number(&format!(
                "SELECT CAST(COALESCE(SUM(used), 0) AS BIGINT) FROM limits \
                 WHERE studio_id = '{studio}' AND kind = '{kind}'"
            ));
            if counted != stored {
                wrong.push(format!("{kind}: stored {stored}, counted {counted}"));
            }
        }
    }
    wrong
}

/// The events of two studios, and the uploads and photos that exist as far as the test knows.
struct Studios {
    owners: [(Person, String); 2],
    events: Vec<(usize, Album)>,
    uploads: Vec<(Album, String, Vec<u8>)>,
    numbers: usize,
}

impl Studios {
    fn photo(&mut self, rng: &mut Rng) -> Vec<u8> {
        // Some photos are sent again, also to other events.
        self.numbers += usize::from(rng.throw(4) > 0);
        let side = 32 + 8 * (self.numbers as u32 % 20);
        variant(&Drawing::blank(side, 48).jpeg(), self.numbers)
    }

    fn event(&self, rng: &mut Rng) -> Option<Album> {
        let at = usize::try_from(rng.throw(self.events.len().max(1) as u64)).unwrap();
        self.events.get(at).map(|(_, album)| album.clone())
    }

    /// Performs a random operation. Errors and refusals are outcomes as good as any: the service may be killed
    /// meanwhile.
    fn operate(&mut self, rng: &mut Rng) {
        let Some(album) = self.event(rng) else { return self.add_event(rng) };
        match rng.throw(10) {
            0..=2 => {
                let photo = self.photo(rng);
                let Ok(announced) = album.announce("a.jpg", &photo) else { return };
                if announced.status == 201 {
                    self.uploads.push((album, place_of(&announced), photo));
                }
            }
            3..=5 => {
                let Some((album, place, photo)) = self.uploads.pop() else { return };
                // A part, the whole, or a file that is none.
                match rng.throw(4) {
                    0 => {
                        let _ = album.send(&place, 0, &photo[..photo.len() / 2]);
                        self.uploads.insert(0, (album, place, photo));
                    }
                    1 => drop(album.send(&place, 0, &vec![0; photo.len()])),
                    _ => drop(album.send(&place, 0, &photo)),
                }
            }
            6 => {
                let Some((album, place, _)) = self.uploads.pop() else { return };
                let headers = vec![("tus-resumable".to_owned(), "1.0.0".to_owned())];
                let (method, path) = ("DELETE".to_owned(), place);
                let _ = album.client.try_send(Request { method, path, headers, body: None });
            }
            7 => {
                let list = request("GET", album.path("/photos?limit=500"));
                let Ok(list) = album.client.try_send(list) else { return };
                if list.status != 200 || list.items().is_empty() {
                    return;
                }
                let photo = list.items().remove(0)["id"].as_str().unwrap().to_owned();
                let path = album.path(&format!("/photos/{photo}"));
                let _ = album.client.try_send(request("DELETE", path));
            }
            8 if rng.throw(4) == 0 => {
                let _ = album.client.try_send(request("DELETE", album.path("")));
                self.events.retain(|(_, other)| other.event != album.event);
                self.uploads.retain(|(other, ..)| other.event != album.event);
            }
            8 => self.add_event(rng),
            _ => {
                let body = ("application/json".to_owned(), b"{}".to_vec());
                let make = request("POST", album.path("/guest-links"));
                let Ok(link) = album.client.try_send(Request { body: Some(body), ..make }) else {
                    return;
                };
                if link.status != 201 {
                    return;
                }
                let url = link.field("url");
                let token = url.rsplit('/').next().unwrap();
                let contact = new_email();
                let body = registration(token, "Guest", &contact).to_string().into_bytes();
                let body = Some(("application/json".to_owned(), body));
                let register = request("POST", "/guest/registrations".to_owned());
                let _ = album.client.signed_out().try_send(Request { body, ..register });
            }
        }
    }

    fn add_event(&mut self, rng: &mut Rng) {
        let at = usize::try_from(rng.throw(2)).unwrap();
        let (owner, studio) = &self.owners[at];
        let body = br#"{"name": "Event", "legal_basis": "consent"}"#.to_vec();
        let make = Request {
            body: Some(("application/json".to_owned(), body)),
            ..request("POST", format!("/studios/{studio}/events"))
        };
        let Ok(made) = owner.client.try_send(make) else { return };
        if made.status == 201 {
            let album = Album { client: owner.client.clone(), event: made.field("id") };
            self.events.push((at, album));
        }
    }
}

fn request(method: &str, path: String) -> Request {
    Request { method: method.into(), path, ..Request::default() }
}

/// In any order of uploads, aborts, removals, purges, registrations and kills, each figure is the truth after
/// each operation, without a repair.
pub fn figures_are_true_after_any_order_of_work(mut service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (stranger, elsewhere) = service.stranger(&owner);
    let studios = [studio.clone(), elsewhere.clone()];
    let events = vec![(0, event_of(&owner, &studio)), (1, event_of(&stranger, &elsewhere))];
    let owners = [(owner, studio), (stranger, elsewhere)];
    let mut world = Studios { owners, events, uploads: Vec::new(), numbers: 0 };
    let mut rng = Rng::seeded("figures");
    for nth in 0..OPERATIONS {
        if rng.throw(KILL_ONE_IN) > 0 {
            world.operate(&mut rng);
        } else {
            let wait = Duration::from_millis(rng.throw(40));
            let process = service.process_id();
            std::thread::scope(|scope| {
                scope.spawn(move || {
                    std::thread::sleep(wait);
                    let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
                });
                world.operate(&mut rng);
            });
            // The figures are looked at before a restart, which repairs them.
            service.kill();
            assert_eq!(wrong(&service, &studios), [""; 0], "after operation {nth}, interrupted");
            service.restart();
        }
        if nth % 10 == 0 {
            // The worker and the recovery of uploads go on meanwhile, in transactions.
            wait_until("the figures are true", || wrong(&service, &studios).is_empty());
        }
    }
    assert!(!service.log().contains("limit repaired"), "a figure was wrong");
}

/// Figures that are wrong nevertheless are repaired at the next start.
pub fn wrong_figures_are_repaired(mut service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let album = event_of(&owner, &studio);
    album.upload("a.jpg", &Drawing::blank(64, 64).jpeg());
    album.announce("b.jpg", &Drawing::blank(65, 64).jpeg()).unwrap().is(201);
    let body = registration(&new_link(&owner, &album.event), "Guest", "+919812345678");
    service.client().post("/guest/registrations", &body).is(204);
    let studios = [studio];
    assert_eq!(wrong(&service, &studios), [""; 0]);
    assert_eq!(service.stop(), Some(0));
    assert_eq!(service.change_rows("UPDATE limits SET used = used * 3 + 77"), 4);
    assert_eq!(wrong(&service, &studios).len(), 4);
    service.restart();
    wait_until("the figures are repaired", || wrong(&service, &studios).is_empty());
    service.wait_for_log("limit repaired");
}
