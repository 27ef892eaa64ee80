use picpick_engine::{DecodeLimits, Pack, Pipeline, Precision, Provider, Quality, Weakness};
use picpick_tests::degrade::{self, Defect};
use picpick_tests::pictures::Drawing;
use picpick_tests::{PARTY, file_names, models, sample, sandbox};
use serde_json::Value;

/// Checks that size, pose and sharpness can be computed from the overall quality and the landmarks, because a
/// collection stores no other quality values.
#[test]
fn quality_parts_are_recomputed_from_the_stored_face() {
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let only = Precision::Only(Provider::Cpu);
    let pipeline = Pipeline::load(models(), &pack, only, DecodeLimits::default()).unwrap();
    let mut faces = 0;
    let mut check = |bytes: &[u8], lacking: Option<Weakness>| {
        let seen = pipeline.analyse(bytes).unwrap();
        assert_eq!(seen.faces.len(), seen.qualities.len());
        for (face, known) in seen.faces.iter().zip(&seen.qualities) {
            let computed = Quality::reconstruct(face.quality, &face.landmarks);
            assert_eq!((computed.size, computed.pose), (known.size, known.pose));
            if known.size * known.pose > 0.0 {
                let off = (computed.sharpness - known.sharpness).abs();
                assert!(off < 1e-3, "{known:?} {computed:?}");
            }
            faces += 1;
        }
        if let Some(lacking) = lacking {
            assert_eq!(
                seen.qualities.iter().map(Weakness::of).collect::<Vec<_>>(),
                [Some(lacking)]
            );
        }
    };
    for name in PARTY {
        check(&std::fs::read(sample(name)).unwrap(), None);
    }
    check(&degrade::jpeg(Defect::Small), Some(Weakness::Small));
    check(&degrade::jpeg(Defect::Blurred), Some(Weakness::Blurred));
    check(&degrade::jpeg(Defect::Turned), Some(Weakness::Turned));
    assert!(faces >= 20, "{faces}");
}

#[test]
fn each_photo_is_listed_under_its_weakness() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &["obama.jpg", "biden.jpg"].map(sample));
    let kinds = [Defect::Small, Defect::Blurred, Defect::Turned, Defect::NoFace];
    for kind in kinds {
        std::fs::write(folder.join(kind.file()), degrade::jpeg(kind)).unwrap();
    }
    let indexed = sandbox.event(&[folder]);
    assert_eq!(
        (&indexed["photos"], &indexed["low_quality_faces"]),
        (&6.into(), &3.into()),
        "{indexed}"
    );
    let coverage = sandbox.done(["coverage", "Event"]);
    let number = |field: &str| coverage[field].as_u64().unwrap();
    assert_eq!((number("photos"), number("without_face")), (6, 1), "{coverage}");
    assert_eq!([number("small"), number("blurred"), number("turned")], [1; 3], "{coverage}");
    assert_eq!(number("faces"), number("good") + 3);
    let recall = coverage["expected_recall"].as_f64().unwrap();
    assert!((0.5..0.9).contains(&recall), "{recall}: two of five faces are good");
    assert_eq!(coverage.get("listed"), None);
    for (kind, weakness_name) in kinds.into_iter().zip(["small", "blurred", "turned", "none"]) {
        let listed =
            sandbox.done(["coverage", "Event", "--photos", weakness_name])["listed"].clone();
        assert_eq!(file_names(&listed, "photo"), [kind.file()], "{weakness_name}");
        let faces = listed[0]["faces"].as_array().unwrap().len();
        assert_eq!(faces, usize::from(kind != Defect::NoFace), "{weakness_name}");
    }
    let text = sandbox.run(["coverage", "Event"]).stdout;
    assert!(text.contains("Of 100 photos of a guest, about "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    assert_eq!(sandbox.run(["coverage", "Event", "--photos", "ugly"]).status, 2);
}

#[test]
fn a_collection_without_faces_has_no_expected_recall() {
    let sandbox = sandbox!();
    let folder = sandbox.folder("photos", &[]);
    std::fs::write(folder.join("blank.jpg"), Drawing::blank(640, 480).jpeg()).unwrap();
    sandbox.event(&[folder]);
    let coverage = sandbox.done(["coverage", "Event"]);
    assert_eq!(coverage["expected_recall"], Value::Null);
    assert_eq!((&coverage["faces"], &coverage["without_face"]), (&0.into(), &1.into()));
}
