use picpick_tests::accounts::new_email;
use picpick_tests::album::{Album, header, place_of};
use picpick_tests::guest::{new_link, register, registration};
use picpick_tests::pictures::Drawing;
use picpick_tests::{Client, Service, sandbox};

use super::event_of;

/// Sets a studio's own limit, as an operator or a plan does.
fn set_max(service: &Service, studio: &str, kind: &str, max: i64) {
    let text = format!(
        "INSERT INTO limits (studio_id, kind, max, used) VALUES ('{studio}', '{kind}', {max}, 0) \
         ON CONFLICT (studio_id, kind) DO UPDATE SET max = excluded.max"
    );
    assert_eq!(service.change_rows(&text), 1);
}

/// Returns what the studio uses and may use of `kind`, as the API shows it.
fn shown(client: &Client, studio: &str, kind: &str) -> (i64, i64) {
    let all = client.get(&format!("/studios/{studio}/limits")).is(200).items();
    let one = all.iter().find(|limit| limit["kind"] == kind).expect("a limit of each kind");
    (one["used"].as_i64().unwrap(), one["max"].as_i64().unwrap())
}

fn announce(album: &Album, bytes: usize) -> picpick_tests::Answer {
    album.announce_as("a.jpg", bytes, None, None).unwrap()
}

/// S18: open uploads, their bytes and the storage of a studio have limits, and another studio has its own.
pub fn quotas_refuse_uploads_with_clear_errors(service: Service) {
    let owner = service.owner();
    let studio = owner.studio();
    let (stranger, elsewhere) = service.stranger(&owner);
    let (ours, theirs) = (event_of(&owner, &studio), event_of(&stranger, &elsewhere));
    set_max(&service, &studio, "open_uploads", 2);
    let first = place_of(&announce(&ours, 1000).is(201));
    announce(&ours, 1000).is(201);
    let refused = announce(&ours, 1000).fails(429, "too_many_requests");
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 0);
    assert_eq!(shown(&owner.client, &studio, "open_uploads"), (2, 2));
    assert_eq!(shown(&owner.client, &studio, "upload_bytes").0, 2000);
    announce(&theirs, 1000).is(201);
    let tus = vec![("tus-resumable".to_owned(), "1.0.0".to_owned())];
    let (method, path) = ("DELETE".to_owned(), first);
    owner.client.send(picpick_tests::Request { method, path, headers: tus, body: None }).is(204);
    announce(&ours, 1000).is(201);
    set_max(&service, &studio, "open_uploads", 100);
    set_max(&service, &studio, "upload_bytes", 10_000);
    announce(&ours, 10_001).fails(413, "too_large");
    announce(&ours, 9000).fails(429, "too_many_requests");
    announce(&ours, 8000).is(201);
    set_max(&service, &studio, "upload_bytes", 1_000_000);
    let photo = Drawing::blank(300, 200).jpeg();
    let bytes = photo.len() as i64;
    set_max(&service, &studio, "storage_bytes", 10_000 + bytes);
    let id = ours.upload("a.jpg", &photo);
    assert_eq!(shown(&owner.client, &studio, "storage_bytes"), (bytes, 10_000 + bytes));
    announce(&ours, 1).fails(507, "storage_quota");
    announce(&theirs, 1_000_000).is(201);
    // The photo's removal frees its storage.
    ours.wait_until_indexed();
    owner.client.delete(&ours.path(&format!("/photos/{id}"))).is(200);
    assert_eq!(shown(&owner.client, &studio, "storage_bytes").0, 0);
    announce(&ours, 1).is(201);
}

/// A sibling of S18: no upload is accepted that the disk has no room for.
#[test]
fn an_upload_beyond_the_disk_is_refused() {
    let environment = vec![("PICPICK_DISK_FREE_MIB", "1000000000".to_owned())];
    let service = Service::start_with(sandbox!(), environment);
    let owner = service.owner();
    let album = event_of(&owner, &owner.studio());
    announce(&album, 1000).fails(507, "disk_full");
    assert_eq!(service.number("SELECT COUNT(*) FROM uploads"), 0);
    let uploads = service.sandbox.data().join("uploads");
    assert!(std::fs::read_dir(uploads).map_or(true, |mut files| files.next().is_none()));
}

/// S18: zeros are refused at the first part and not kept for days, as are other files, however small the part.
pub fn a_file_that_is_no_photo_is_refused_at_its_first_bytes(service: Service) {
    let owner = service.owner();
    let album = event_of(&owner, &owner.studio());
    let gif = [b"GIF89a".as_slice(), &[7; 200_000]].concat();
    let text = b"no photo, whatever its name is".repeat(10);
    let zeros = vec![0; 4 << 20];
    for (length, part) in
        [(64 << 20, zeros.as_slice()), (gif.len(), &gif[..100]), (1000, &text[..20])]
    {
        let place = place_of(&announce(&album, length).is(201));
        album.send(&place, 0, part).unwrap().fails(422, "not_a_photo");
        album.send(&place, 0, &part[..1]).unwrap().fails(404, "not_found");
    }
    assert_eq!(service.number("SELECT COUNT(*) FROM uploads"), 0);
    let files = std::fs::read_dir(service.sandbox.data().join("uploads")).unwrap();
    assert_eq!(files.count(), 0);
    assert_eq!(shown(&owner.client, &owner.studio(), "open_uploads").0, 0);
    // A photo that arrives in small parts is accepted.
    let photo = picpick_tests::album::variant(&Drawing::blank(64, 64).jpeg(), 1);
    let place = place_of(&announce(&album, photo.len()).is(201));
    album.send(&place, 0, &photo[..10]).unwrap().is(204);
    let offset = album.offset(&place);
    album.send(&place, offset, &photo[offset..]).unwrap().is(204);
    assert_eq!(album.photos().len(), 1);
}

/// S18: registrations, each of which leaves a consent, are limited.
pub fn registrations_are_limited_per_network_link_and_studio(service: Service) {
    /// Registrations that a network has at once.
    const NETWORK: i64 = 1000;
    let owner = service.owner();
    let studio = owner.studio();
    let event = event_of(&owner, &studio).event;
    let token = new_link(&owner, &event);
    let flood = service.client();
    let body = registration(&token, "Guest", "+919812345678");
    let refused = loop {
        let answer = flood.post("/guest/registrations", &body);
        if answer.status != 204 {
            break answer.fails(429, "too_many_requests");
        }
    };
    assert!(header(&refused, "retry-after").parse::<u64>().unwrap() > 0);
    let (used, _) = shown(&owner.client, &studio, "guests");
    assert!((NETWORK..NETWORK + 200).contains(&used), "{used}");
    assert_eq!(service.number("SELECT COUNT(*) FROM guest_consents"), used);
    // Another network has its own quota; the link and the studio have theirs.
    register(&service, &token, "Other", &new_email());
    let far = "UPDATE quotas SET tat_unix_s = tat_unix_s + 100000 WHERE subject LIKE 'registration_link:%'";
    assert_eq!(service.change_rows(far), 1);
    service.client().post("/guest/registrations", &body).fails(429, "too_many_requests");
    let other = registration(&new_link(&owner, &event), "Guest", "+919812345679");
    service.client().post("/guest/registrations", &other).is(204);
    set_max(&service, &studio, "guests", used + 2);
    service.client().post("/guest/registrations", &other).fails(429, "too_many_requests");
}
