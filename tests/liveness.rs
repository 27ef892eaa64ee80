//! probe
#![allow(clippy::unwrap_used)]
use picpick_engine::*;
use picpick_tests::head::Head;
use picpick_tests::{models, sample};

#[test]
fn probe() {
    let pack = Pack::builtin(DEFAULT_PACK).unwrap();
    let pipeline =
        Pipeline::load(models(), &pack, Precision::Auto, DecodeLimits::default()).unwrap();
    let liveness = Liveness::load(models(), Precision::Auto).unwrap();
    for name in ["obama.jpg", "obama2.jpg", "biden.jpg", "obama3.jpg"] {
        let head = Head::of(&pipeline, &std::fs::read(sample(name)).unwrap());
        for (yaw, pitch) in [
            (0., 0.),
            (15., 0.),
            (25., 0.),
            (35., 0.),
            (-25., 0.),
            (-35., 0.),
            (0., 15.),
            (0., 25.),
            (0., 35.),
            (0., -15.),
            (0., -25.),
        ] {
            for flat in [false, true] {
                let picture = if flat {
                    head.flat(yaw, pitch, [0.0; 2])
                } else {
                    head.turned(yaw, pitch, [0.0; 2])
                };
                let jpeg = to_jpeg(&picture, 640, 90).unwrap();
                std::fs::write(format!("/tmp/wa/{name}-{yaw}-{pitch}-{flat}.jpg"), &jpeg).unwrap();
                let t = std::time::Instant::now();
                let look = pipeline.look(&liveness, &jpeg).unwrap();
                let t = t.elapsed().as_millis();
                match &look.face {
                    Some(f) => println!(
                        "{name} {yaw} {pitch} flat={flat} yaw {:.0} pitch {:.0} roll {:.0} live {:.3} share {:.2} sharp {:.2} bright {:.2} q {:.2} {t} ms",
                        f.pose.yaw,
                        f.pose.pitch,
                        f.pose.roll,
                        f.live,
                        f.share,
                        f.sharpness,
                        look.brightness,
                        f.face.quality
                    ),
                    None => println!("{name} {yaw} {pitch} {flat} none {}", look.faces),
                }
            }
        }
    }
}
