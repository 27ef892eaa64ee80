use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use picpick_tests::album::variant;
use picpick_tests::client::Request;
use picpick_tests::guest::wait_until;
use picpick_tests::{Client, Rng, Service, times};

use super::{PHOTOS, Scene, open_erasures, pass_waiting_time, picture};

/// The expected state: the photos of the first man, by number of their content.
#[derive(Default)]
struct Expected {
    /// The photo's id of each stored content.
    stored: BTreeMap<usize, String>,
    /// The contents whose faces are erased.
    erased: BTreeSet<usize>,
    /// The contents whose faces are hidden; `None` while no erasure waits.
    hidden: Option<BTreeSet<usize>>,
    /// Whether faces of new photos are kept out, and the contents kept out.
    opted_out: bool,
    omitted: BTreeSet<usize>,
    /// Whether the waiting erasure becomes an opt-out.
    opt_out_next: bool,
    /// The number of the next new content.
    next: usize,
}

/// The scene, its expected state, and a guest with the man's face who stays.
struct Orders {
    scene: Scene,
    watcher: Client,
    expected: Expected,
    rng: Rng,
}

impl Expected {
    fn visible(&self) -> BTreeSet<String> {
        let hidden = |content: &usize| self.hidden.as_ref().is_some_and(|of| of.contains(content));
        let shown = self.stored.iter().filter(|(content, _)| {
            !self.erased.contains(content) && !hidden(content) && !self.omitted.contains(content)
        });
        shown.map(|(_, id)| id.clone()).collect()
    }
}

fn content(number: usize) -> Vec<u8> {
    match number {
        0..3 => picture(PHOTOS[number]),
        _ => variant(&picture(PHOTOS[number % 3]), number),
    }
}

impl Orders {
    /// Uploads a new photo, or one that may have been removed before.
    fn upload(&mut self) -> &'static str {
        let Self { scene, expected, rng, .. } = self;
        let again = rng.one_in(3);
        let number = if again { rng.throw(expected.next as u64) as usize } else { expected.next };
        expected.next = expected.next.max(number + 1);
        if let Entry::Vacant(free) = expected.stored.entry(number) {
            free.insert(scene.album.upload(&format!("{number}.jpg"), &content(number)));
            expected.omitted.remove(&number);
            if expected.opted_out {
                expected.omitted.insert(number);
            } else if let Some(hidden) = &mut expected.hidden {
                hidden.insert(number);
            }
        }
        scene.album.wait_until_indexed();
        "upload"
    }

    fn remove_photo(&mut self) -> &'static str {
        let there: Vec<usize> = self.expected.stored.keys().copied().collect();
        if there.is_empty() {
            return "remove nothing";
        }
        let number = *self.rng.pick(&there);
        let id = self.expected.stored.remove(&number).unwrap();
        let album = &self.scene.album;
        album.client.delete(&album.path(&format!("/photos/{id}"))).is(200);
        "remove a photo"
    }

    /// A guest with the man's face leaves with all faces; in half of the cases the service is killed meanwhile.
    fn hide(&mut self, service: &mut Service) -> &'static str {
        let guest = self.scene.guest(service, "obama.jpg");
        let visible = self.expected.visible();
        self.expected.opt_out_next = self.rng.one_in(4);
        let path = format!("/guest?faces=true&opt_out={}", self.expected.opt_out_next);
        if self.rng.one_in(2) {
            let leaver = guest.clone();
            let request =
                Request { method: "DELETE".into(), path: path.clone(), ..Request::default() };
            let sent = std::thread::spawn(move || leaver.try_send(request));
            std::thread::sleep(Duration::from_millis(self.rng.throw(60)));
            service.kill();
            let _ = sent.join().unwrap();
            service.restart();
            if open_erasures(service) == 0 {
                // The kill came before the request was accepted.
                guest.delete(&path).is(200);
            }
            let hidden = "SELECT COUNT(*) FROM erasures WHERE state = 'hidden'";
            wait_until("the faces are hidden", || service.number(hidden) == 1);
        } else {
            let left = guest.delete(&path).is(200).document();
            assert_eq!(left["faces_hidden"], visible.len());
        }
        let of = |(number, id): (&usize, &String)| visible.contains(id).then_some(*number);
        self.expected.hidden = Some(self.expected.stored.iter().filter_map(of).collect());
        "hide"
    }

    fn undo(&mut self) -> &'static str {
        let erasures = self.scene.erasures();
        let waits = erasures.iter().find(|erasure| erasure["state"] == "hidden").unwrap();
        let path = self.scene.album.path(&format!("/erasures/{}", waits["id"].as_str().unwrap()));
        self.scene.owner.client.delete(&path).is(204);
        self.expected.hidden = None;
        "undo"
    }

    fn wait(&mut self, service: &mut Service) -> &'static str {
        pass_waiting_time(service);
        self.expected.erased.extend(self.expected.hidden.take().unwrap());
        self.expected.opted_out |= self.expected.opt_out_next;
        "wait"
    }

    fn step(&mut self, service: &mut Service) -> &'static str {
        let waits = self.expected.hidden.is_some();
        let may_hide = !waits && !self.expected.visible().is_empty() && !self.expected.opted_out;
        match self.rng.throw(10) {
            0..3 => self.upload(),
            3 => self.remove_photo(),
            4 | 5 if may_hide => self.hide(service),
            6 if waits => self.undo(),
            7 if waits => self.wait(service),
            8 => {
                service.kill();
                service.restart();
                "kill"
            }
            _ => "search",
        }
    }

    fn check(&self, service: &Service, after: &str) {
        let visible = self.expected.visible();
        assert_eq!(self.scene.found("obama.jpg"), visible, "after {after}");
        let shown = self.watcher.get("/guest/photos").is(200).items();
        let shown: BTreeSet<String> =
            shown.iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect();
        assert_eq!(shown, visible, "after {after}");
        wait_until("people are clustered again", || {
            let people = self.scene.people();
            let people = people["people"].as_array().unwrap();
            let faces = people.iter().map(|it| it["faces"].as_u64().unwrap()).sum::<u64>();
            faces == visible.len() as u64 + 1
        });
        assert_eq!(self.scene.people()["faces"], visible.len() + 1);
        let waiting = service.number("SELECT COUNT(*) FROM erasures WHERE state = 'hidden'");
        assert_eq!(waiting > 0, self.expected.hidden.is_some(), "erased too early");
    }
}

/// Random orders of requests, undoing, uploads, removals, restarts, kills and waiting: hidden faces appear nowhere, are
/// erased only after the waiting time, and appear again if they are undone.
pub fn hidden_faces_appear_nowhere_in_any_order(mut service: Service) {
    let scene = Scene::of(&service);
    let watcher = scene.guest(&service, "obama.jpg");
    let stored = scene.ids[..3].iter().cloned().enumerate().collect();
    let expected = Expected { stored, next: 3, ..Expected::default() };
    let mut orders = Orders { scene, watcher, expected, rng: Rng::seeded("erasures") };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..times("PICPICK_TEST_ERASURES", 16) {
        let kind = orders.step(&mut service);
        *counts.entry(kind).or_default() += 1;
        orders.check(&service, kind);
    }
    println!("{counts:?}");
}
