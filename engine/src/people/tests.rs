use super::*;

struct Sample {
    id: FaceId,
    photo: PhotoId,
    quality: f32,
    embedding: Vec<f32>,
}

/// Makes face `n` of `person`, near the person's axis, in a photo that shows no other face.
fn sample(person: usize, n: u8, quality: f32) -> Sample {
    let mut embedding = vec![0.0; 16];
    embedding[person] = 0.9;
    embedding[8 + n as usize % 8] = 0.435_89;
    let id = FaceId([person as u8, n, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    Sample { id, photo: PhotoId([person as u8 * 16 + n; 16]), quality, embedding }
}

fn view(samples: &[Sample]) -> Vec<PersonFace<'_>> {
    samples
        .iter()
        .map(|s| PersonFace {
            id: s.id,
            photo: s.photo,
            quality: s.quality,
            embedding: &s.embedding,
        })
        .collect()
}

fn sizes(people: &People) -> Vec<usize> {
    let mut sizes: Vec<usize> = people.persons().iter().map(|person| person.faces.len()).collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn people_form_and_a_second_update_changes_nothing() {
    let samples: Vec<Sample> =
        (0..3).flat_map(|person| (0..=person as u8).map(move |n| sample(person, n, 0.9))).collect();
    let mut people = People::default();
    assert!(people.update(&view(&samples), 0.45));
    assert_eq!(sizes(&people), [1, 2, 3]);
    assert!(!people.update(&view(&samples), 0.45));
}

#[test]
fn a_new_face_joins_its_person_and_a_deleted_one_leaves() {
    let mut samples: Vec<Sample> =
        (0..2).flat_map(|person| (0..6).map(move |n| sample(person, n, 0.9))).collect();
    let mut people = People::default();
    people.update(&view(&samples), 0.45);
    samples.push(sample(1, 6, 0.9));
    assert!(people.update(&view(&samples), 0.45));
    assert_eq!(sizes(&people), [6, 7]);
    let gone = samples.remove(0).id;
    assert!(people.update(&view(&samples), 0.45));
    assert_eq!(sizes(&people), [5, 7]);
    assert!(people.person_of(&gone).is_none());
}

#[test]
fn a_low_quality_face_joins_a_person_and_never_founds_one() {
    let mut samples: Vec<Sample> = (0..4).map(|n| sample(0, n, 0.9)).collect();
    samples.push(sample(0, 5, 0.1));
    samples.push(sample(1, 0, 0.1));
    let mut people = People::default();
    people.update(&view(&samples), 0.45);
    assert_eq!(sizes(&people), [5]);
    assert!(people.person_of(&samples[5].id).is_none());
}

#[test]
fn people_come_back_from_bytes_without_the_deleted() {
    let mut samples: Vec<Sample> =
        (0..2).flat_map(|person| (0..3).map(move |n| sample(person, n, 0.9))).collect();
    let mut people = People::default();
    people.update(&view(&samples), 0.45);
    let bytes = people.to_bytes();
    samples.pop();
    let back = People::from_bytes(&bytes, &view(&samples)).ok();
    assert_eq!(back.as_ref().map(sizes), Some(vec![2, 3]));
    let centroid =
        |people: &People| people.person_of(&samples[0].id).map(|person| person.centroid.clone());
    assert_eq!(back.as_ref().and_then(centroid), centroid(&people));
    assert!(People::from_bytes(&bytes[1..], &view(&samples)).is_err());
}
