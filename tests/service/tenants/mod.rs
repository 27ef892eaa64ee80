//! Studios share a server fairly: long answers, password hashes, indexing and quotas of one studio leave the
//! others their share. Each scenario runs on SQLite and on PostgreSQL.

mod answers;
mod documents;
mod figures;
mod hashes;
mod quotas;
mod turns;

use answers::{
    a_studio_keeps_exports_while_visitors_hold_its_archives, exports_hold_places_until_their_end,
    slow_readers_of_one_album_block_no_other_studio, unread_originals_block_no_other_studio,
};
use documents::{
    an_account_export_holds_a_place, an_export_of_many_rows_needs_little_memory,
    every_long_answer_is_bounded,
};
use figures::{figures_are_true_after_any_order_of_work, wrong_figures_are_repaired};
use hashes::{a_flood_of_invitations_refuses_no_sign_in, a_flood_of_pins_refuses_no_sign_in};
use picpick_tests::album::Album;
use picpick_tests::{Person, Service, on_both_databases, sample};
use quotas::{
    a_file_that_is_no_photo_is_refused_at_its_first_bytes, quotas_refuse_uploads_with_clear_errors,
    registrations_are_limited_per_network_link_and_studio,
};
use turns::{
    a_photo_of_another_event_is_indexed_while_many_wait,
    a_photo_of_another_studio_is_indexed_while_many_wait,
    people_of_another_studio_are_formed_while_many_photos_wait,
};

use crate::guest::erasure::large;

on_both_databases!(
    exports_hold_places_until_their_end,
    a_studio_keeps_exports_while_visitors_hold_its_archives,
    slow_readers_of_one_album_block_no_other_studio,
    unread_originals_block_no_other_studio,
    every_long_answer_is_bounded,
    an_account_export_holds_a_place,
    an_export_of_many_rows_needs_little_memory,
    a_flood_of_invitations_refuses_no_sign_in,
    a_flood_of_pins_refuses_no_sign_in,
    a_photo_of_another_studio_is_indexed_while_many_wait,
    a_photo_of_another_event_is_indexed_while_many_wait,
    people_of_another_studio_are_formed_while_many_photos_wait,
    quotas_refuse_uploads_with_clear_errors,
    a_file_that_is_no_photo_is_refused_at_its_first_bytes,
    registrations_are_limited_per_network_link_and_studio,
    figures_are_true_after_any_order_of_work,
    wrong_figures_are_repaired,
);

/// Returns a new event of `person` in `studio`.
fn event_of(person: &Person, studio: &str) -> Album {
    let event = person.new_event(studio, "Wedding");
    Album { client: person.client.clone(), event }
}

/// Uploads photos that are larger than the buffers between the service and a client that does not read.
fn add_large_photos(album: &Album, count: usize) {
    let jpeg = std::fs::read(sample("obama.jpg")).unwrap();
    for number in 0..count {
        album.upload(&format!("{number}.jpg"), &large(&jpeg, number));
    }
}

/// Returns the number of threads of the service's process.
fn threads(service: &Service) -> usize {
    let path = format!("/proc/{}/task", service.process_id().as_raw_nonzero());
    std::fs::read_dir(path).unwrap().count()
}
