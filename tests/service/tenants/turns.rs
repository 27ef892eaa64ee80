use picpick_tests::album::{Album, variant};
use picpick_tests::guest::wait_until;
use picpick_tests::{Service, sample};
use serde_json::json;

use super::event_of;

/// Photos that wait; indexing them takes many batches.
const MANY: usize = 120;

fn control(album: &Album, action: &str) {
    album.client.post(&album.path("/jobs"), &json!({ "action": action })).is(200);
}

/// Uploads `MANY` photos to `loading` and then one to `other`, and lets the worker begin when all of them wait.
/// Checks that the one is indexed while others wait, and that the loading event goes on.
fn one_behind_many(loading: &Album, other: &Album) {
    let jpeg = std::fs::read(sample("obama.jpg")).unwrap();
    control(loading, "pause");
    control(other, "pause");
    for number in 0..MANY {
        loading.upload(&format!("{number}.jpg"), &variant(&jpeg, number));
    }
    other.upload("one.jpg", &variant(&jpeg, MANY));
    control(loading, "resume");
    control(other, "resume");
    assert_eq!(other.wait_until_indexed()["done"], 1);
    let left = loading.counts();
    assert!(left["ready"].as_u64().unwrap() > 0, "the one photo came last: {left}");
    assert_eq!(loading.wait_until_indexed()["done"], MANY);
}

/// S16: a photo does not wait for those that another studio has uploaded before.
pub fn a_photo_of_another_studio_is_indexed_while_many_wait(service: Service) {
    let owner = service.owner();
    let (stranger, elsewhere) = service.stranger(&owner);
    one_behind_many(&event_of(&owner, &owner.studio()), &event_of(&stranger, &elsewhere));
}

/// A sibling of S16: the same for two events of one studio.
pub fn a_photo_of_another_event_is_indexed_while_many_wait(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    one_behind_many(&event_of(&owner, &studio), &event_of(&owner, &studio));
}

/// A sibling of S16: people are formed although the photos of another studio still wait.
pub fn people_of_another_studio_are_formed_while_many_photos_wait(service: Service) {
    let owner = service.owner();
    let (stranger, elsewhere) = service.stranger(&owner);
    let (loading, other) = (event_of(&owner, &owner.studio()), event_of(&stranger, &elsewhere));
    let jpeg = std::fs::read(sample("obama.jpg")).unwrap();
    control(&loading, "pause");
    control(&other, "pause");
    for number in 0..MANY {
        loading.upload(&format!("{number}.jpg"), &variant(&jpeg, number));
    }
    for number in 0..3 {
        other.upload(&format!("{number}.jpg"), &variant(&jpeg, MANY + number));
    }
    control(&loading, "resume");
    control(&other, "resume");
    wait_until("people are formed", || {
        let people = other.client.get(&other.path("/people")).is(200).document();
        let people = people["people"].as_array().unwrap().iter();
        people.clone().any(|person| person["photos"] == 3)
    });
    let left = loading.counts();
    assert!(left["ready"].as_u64().unwrap() > 0, "people were formed last: {left}");
}
