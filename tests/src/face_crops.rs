use std::path::PathBuf;

use picpick_engine::{DecodeLimits, Pack, Pipeline, Precision, Provider};

use crate::pictures::Drawing;
use crate::samples::{PARTY, models, sample};
use crate::sandbox::Sandbox;

/// Creates a folder in the sandbox with `number` different photos of 300 × 300 px, each a crop around one
/// face of the sample photos.
pub fn crowd(sandbox: &Sandbox, number: usize) -> PathBuf {
    let pack = Pack::builtin(Pack::DEFAULT).unwrap();
    let cpu = Precision::Only(Provider::Cpu);
    let pipeline = Pipeline::load(models(), &pack, cpu, DecodeLimits::default()).unwrap();
    let mut faces: Vec<(Drawing, [i32; 4])> = Vec::new();
    for name in PARTY.iter().chain(&["obama.jpg", "biden.jpg"]) {
        let path = sample(name);
        let analysis = pipeline.analyse(&std::fs::read(&path).unwrap()).unwrap();
        let drawing = Drawing::open(&path);
        faces.extend(analysis.faces.iter().map(|face| (drawing.clone(), face.bbox)));
    }
    let folder = sandbox.folder("crowd", &[]);
    for (name, (drawing, bbox)) in faces.iter().cycle().take(number).enumerate() {
        // With each repetition of a face the crop is slightly larger and shifted.
        let variant = (name / faces.len()) as i32;
        let side = bbox[2].max(bbox[3]) * (20 + variant) / 10;
        let cut = drawing.face(*bbox, side, [variant % 3 - 1, variant % 5 - 2]);
        std::fs::write(folder.join(format!("{name:04}.jpg")), cut.jpeg()).unwrap();
    }
    folder
}
