//! Writes a sample in every format, for `tests/annotation/tools.py`: `annotation_sample OUT`.

use std::fs;
use std::path::Path;

use autolink::annotate::formats::{Format, export, zip};
use autolink::annotate::formats::{coco, deeplabcut};
use autolink::annotate::{Annotations, EdgeWeight, Image, Point, Visibility};

fn sample() -> Annotations {
    let colors = ["#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4"].map(String::from);
    let mut sample = Annotations::discovered(&colors);
    sample.category = "Hände & \"Füße\", 手".into();
    let names = [
        "nose, left \"tip\"",
        "Größe <ß> & 'é'",
        "右手: #1",
        "- {plain} [x]",
        "a.b/c\\d",
    ];
    for (keypoint, name) in sample.keypoints.iter_mut().zip(names) {
        keypoint.name = name.into();
    }
    sample.skeleton = vec![[0, 1], [1, 2], [3, 1], [4, 0]];
    sample.edge_threshold = Some(0.25);
    sample.edge_weights = vec![EdgeWeight {
        ends: [0, 1],
        weight: 0.75,
    }];
    let files = [
        ("empty.png", 64, 64),
        ("a.jpg", 640, 480),
        ("set 1/ü, \"手\" 'x' & <b>.v2.png", 101, 77),
        ("set 1/#%20 100%.png", 4000, 3000),
        ("set 1/images/c.png", 33, 21),
        ("d e f.png", 128, 128),
        ("日本/語.png", 300, 200),
    ];
    for (i, (file_name, width_px, height_px)) in files.into_iter().enumerate() {
        let points = (0..5)
            .map(|k| {
                let spot = |m: usize| ((i * 37 + k * m) % 101) as f64 / 101.3 + 0.001;
                let mut point = Point::placed([
                    spot(23) * f64::from(width_px),
                    spot(41) * f64::from(height_px),
                ]);
                point.corrected = k == 3;
                point.confidence = spot(11);
                if i % 3 == 2 && k == 1 {
                    point.visibility = Visibility::Occluded;
                }
                if i == 0 || (i == 3 && k != 2) || (i == 4 && k == 4) {
                    point = Point::ABSENT;
                }
                point
            })
            .collect();
        sample.images.push(Image {
            file_name: file_name.into(),
            frame: None,
            seconds: None,
            exif_orientation: 1,
            crop: None,
            width_px,
            height_px,
            points,
        });
    }
    sample
}

fn write(out: &Path, annotations: &Annotations) -> Result<(), Box<dyn std::error::Error>> {
    for format in Format::ALL {
        let name = serde_json::to_string(&format)?;
        let folder = out.join(name.trim_matches('"'));
        let files = export(annotations, format)?;
        for file in &files {
            let path = folder.join(&file.path);
            fs::create_dir_all(path.parent().unwrap_or(out))?;
            fs::write(path, &file.bytes)?;
        }
        fs::write(folder.with_extension("zip"), zip(files)?)?;
        let paths = serde_json::to_string(&format.image_paths(annotations))?;
        fs::write(folder.with_extension("images.json"), paths)?;
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let out = arguments.next().ok_or("where to?")?;
    // `annotation_sample --read FILE` reads what a tool wrote and writes it as our JSON to stdout.
    if out == "--read" {
        let text = fs::read_to_string(arguments.next().ok_or("which file?")?)?;
        let imported = if text.starts_with("scorer") {
            deeplabcut::import(&text)?
        } else {
            coco::import(&text)?
        };
        println!("{}", serde_json::to_string(&imported)?);
        return Ok(());
    }
    let out = Path::new(&out);
    write(&out.join("images"), &sample())?;
    let mut frames = sample();
    for (i, image) in frames.images.iter_mut().enumerate() {
        image.file_name = "walk, ü 手.mp4".into();
        image.frame = Some(10 * i as u64 + 3);
        for point in &mut image.points {
            point.x_px *= 640.0 / f64::from(image.width_px);
            point.y_px *= 480.0 / f64::from(image.height_px);
        }
        (image.width_px, image.height_px) = (640, 480);
    }
    write(&out.join("video"), &frames)?;
    Ok(())
}
