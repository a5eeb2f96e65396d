//! DeepLabCut and Lightning Pose: tables with a header of three lines (scorer, bodyparts, coords), blank where points are absent.
//!
//! DeepLabCut keeps images in one folder per video, directly under `labeled-data`: nested folders are joined by `-`.
//! `deeplabcut.convertcsv2h5("config.yaml", userfeedback=False)` makes its H5 files from these tables.

use std::collections::HashMap;

use super::{
    File, FormatSpec, ImagePlace, by_video, csv_line, frame_list, number, px, safe_path,
    split_path, table_stem, yaml_string,
};
use crate::annotate::{Annotations, Image, Point};
use crate::error::{Error, Result};

pub(super) const LABELS: FormatSpec = FormatSpec {
    title: "DeepLabCut, Lightning Pose",
    about: "Labels and config.yaml of a project",
    images: ImagePlace::Beside(image_paths),
    write: labels,
};
pub(super) const PREDICTIONS: FormatSpec = FormatSpec {
    title: "DeepLabCut predictions",
    about: "A table with likelihoods for each video",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(predictions(annotations)),
};

/// The name of the labeller, which DeepLabCut asks for.
const SCORER: &str = "autolink";
/// The folder of images that have none.
const NO_FOLDER: &str = "pictures";

/// Writes a project: `config.yaml` and `labeled-data/<folder>/CollectedData_autolink.csv` for each folder. Images without
/// points are left out, since pandas takes such a line at the top for the index's name.
///
/// See `tests/annotation/tools.py`.
///
/// # Errors
/// [`Error::File`] if two images get the same path when their folders are joined.
pub fn labels(annotations: &Annotations) -> Result<Vec<File>> {
    let mut folders: Vec<(String, [u32; 2], Vec<String>)> = Vec::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    for image in &annotations.images {
        let path = image_path(&image.name());
        if let Some(other) = taken.insert(path.clone(), image.name()) {
            return Err(Error::File(format!(
                "In DeepLabCut's folders {other} and {} both become {path}. Rename one of them.",
                image.name()
            )));
        }
        if !image.points.iter().any(Point::is_there) {
            continue;
        }
        let folder = split_path(&path).0.to_string();
        let at = match folders.iter().position(|(name, ..)| *name == folder) {
            Some(at) => at,
            None => {
                let size_px = [image.width_px, image.height_px];
                folders.push((folder, size_px, vec![header(annotations, &["x", "y"])]));
                folders.len() - 1
            }
        };
        let cells = image.points.iter().flat_map(coordinates);
        let line = csv_line(std::iter::once(path).chain(cells));
        folders[at].2.push(line);
    }
    let mut files = vec![File::text("config.yaml", config(annotations, &folders))];
    for (folder, _, lines) in folders {
        files.push(File::text(
            format!("{folder}/CollectedData_{SCORER}.csv"),
            lines.concat(),
        ));
    }
    Ok(files)
}

fn image_paths(annotations: &Annotations) -> Vec<String> {
    let path = |image: &Image| image_path(&image.name());
    annotations.images.iter().map(path).collect()
}

/// `a/b/c.png` -> `labeled-data/a-b/c.png`.
pub(super) fn image_path(name: &str) -> String {
    let path = safe_path(name);
    let (folder, file) = split_path(&path);
    let folder = if folder.is_empty() {
        NO_FOLDER.into()
    } else {
        folder.replace('/', "-")
    };
    format!("labeled-data/{folder}/{file}")
}

/// Writes predictions for each video: `<video>DLC_autolink.csv`, one line per frame, with `x,y,likelihood`. Images are
/// numbered; `picturesDLC_autolink_files.csv` lists which is which.
///
/// See `tests/annotation/tools.py`.
pub fn predictions(annotations: &Annotations) -> Vec<File> {
    let mut files = Vec::new();
    for (video, images) in by_video(annotations) {
        let stem = format!("{}DLC_{SCORER}", table_stem(video));
        let mut text = header(annotations, &["x", "y", "likelihood"]);
        for (frame, image) in &images {
            let mut cells = vec![frame.to_string()];
            for point in &image.points {
                cells.extend(coordinates(point));
                cells.push(if point.is_there() {
                    number(point.confidence, 6)
                } else {
                    "0".into()
                });
            }
            text += &csv_line(cells);
        }
        files.push(File::text(format!("{stem}.csv"), text));
        if video.is_none() {
            files.push(frame_list(&images, format!("{stem}_files.csv")));
        }
    }
    if files.is_empty() {
        let text = header(annotations, &["x", "y", "likelihood"]);
        files.push(File::text(format!("{NO_FOLDER}DLC_{SCORER}.csv"), text));
    }
    files
}

fn coordinates(point: &Point) -> [String; 2] {
    if point.is_there() {
        [px(point.x_px), px(point.y_px)]
    } else {
        [String::new(), String::new()]
    }
}

fn header(annotations: &Annotations, coords: &[&str]) -> String {
    let columns = || {
        annotations
            .keypoints
            .iter()
            .flat_map(|k| coords.iter().map(move |c| (k, *c)))
    };
    let line =
        |title: &'static str, cells: Vec<&str>| csv_line(std::iter::once(title).chain(cells));
    line("scorer", columns().map(|_| SCORER).collect())
        + &line(
            "bodyparts",
            columns().map(|(k, _)| k.name.as_str()).collect(),
        )
        + &line("coords", columns().map(|(_, c)| c).collect())
}

fn config(annotations: &Annotations, folders: &[(String, [u32; 2], Vec<String>)]) -> String {
    let name = |index: usize| yaml_string(&annotations.keypoints[index].name);
    let mut text = format!(
        "Task: {}\nscorer: {SCORER}\ndate: Jan1\nmultianimalproject: false\nidentity: null\nproject_path: \".\"\n\
         video_sets:{}\n",
        yaml_string(&annotations.category),
        if folders.is_empty() { " {}" } else { "" },
    );
    for (folder, [width, height], _) in folders {
        let video = format!("videos/{}.mp4", split_path(folder).1);
        text += &format!(
            "  {}:\n    crop: 0, {width}, 0, {height}\n",
            yaml_string(&video)
        );
    }
    text += "bodyparts:\n";
    for index in 0..annotations.keypoints.len() {
        text += &format!("- {}\n", name(index));
    }
    text += if annotations.skeleton.is_empty() {
        "skeleton: []\n"
    } else {
        "skeleton:\n"
    };
    for [a, b] in &annotations.skeleton {
        text += &format!("- [{}, {}]\n", name(*a), name(*b));
    }
    text += "start: 0\nstop: 1\nnumframes2pick: 20\nskeleton_color: black\npcutoff: 0.6\ndotsize: 12\nalphavalue: 0.7\n\
             colormap: rainbow\nTrainingFraction:\n- 0.95\niteration: 0\ndefault_net_type: resnet_50\n\
             default_augmenter: default\nsnapshotindex: -1\ndetector_snapshotindex: -1\nbatch_size: 8\n\
             detector_batch_size: 1\ncropping: false\nx1: 0\nx2: 640\ny1: 277\ny2: 624\ncorner2move2:\n- 50\n- 50\n\
             move2corner: true\n";
    text
}

pub use super::read::deeplabcut::import;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Imported;
    use crate::annotate::tests::sample;

    #[test]
    fn labels_match_deeplabcut_files() {
        let mut sample = sample();
        sample.keypoints.truncate(2);
        for (i, keypoint) in sample.keypoints.iter_mut().enumerate() {
            keypoint.name = format!("kp{i}");
        }
        sample.skeleton = vec![[0, 1]];
        sample.images.truncate(1);
        sample.images[0].file_name = "day/set1/img001.png".into();
        sample.images[0].points.truncate(2);
        sample.images[0].points[1] = Point::ABSENT;
        let files = labels(&sample).expect("files");
        assert_eq!(
            files[1].path,
            "labeled-data/day-set1/CollectedData_autolink.csv"
        );
        assert_eq!(
            String::from_utf8_lossy(&files[1].bytes),
            "scorer,autolink,autolink,autolink,autolink\nbodyparts,kp0,kp0,kp1,kp1\ncoords,x,y,x,y\n\
             labeled-data/day-set1/img001.png,10.5,20,,\n"
        );
        let config = String::from_utf8_lossy(&files[0].bytes).to_string();
        assert!(config.contains("\"videos/day-set1.mp4\":\n    crop: 0, 640, 0, 480\n"));
        assert!(
            config.contains("bodyparts:\n- \"kp0\"\n- \"kp1\"\nskeleton:\n- [\"kp0\", \"kp1\"]\n")
        );
    }

    #[test]
    fn predictions_have_one_line_per_frame() {
        let mut sample = sample();
        sample.images[0].file_name = "a/walk.mp4".into();
        sample.images[0].frame = Some(7);
        let files = predictions(&sample);
        let paths: Vec<&str> = files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "a/walkDLC_autolink.csv",
                "picturesDLC_autolink.csv",
                "picturesDLC_autolink_files.csv"
            ]
        );
        let text = String::from_utf8_lossy(&files[0].bytes).to_string();
        assert_eq!(
            text.lines().last(),
            Some("7,10.5,20,0.5,30,40.25,1,639.1235,0,0.25,33.3333,479.999,1")
        );
        let read = import(&text).expect("reads").annotations;
        assert_eq!(read.images[0].frame, Some(7));
        assert_eq!(read.images[0].points[2].confidence, 0.25);
        let text = String::from_utf8_lossy(&files[1].bytes).to_string();
        assert!(text.ends_with("\n1,,,0,,,0,,,0,,,0\n"), "{text}");
    }

    #[test]
    fn deeplabcut_round_trip_keeps_points() {
        let sample = sample();
        let files = labels(&sample).expect("files");
        let mut found = 0;
        for file in &files[1..] {
            let text = String::from_utf8_lossy(&file.bytes);
            let Ok(Imported {
                annotations, notes, ..
            }) = import(&text)
            else {
                continue;
            };
            assert!(notes.is_empty());
            for (a, b) in annotations.keypoints.iter().zip(&sample.keypoints) {
                assert_eq!(a.name, b.name);
            }
            for image in &annotations.images {
                let original = sample
                    .images
                    .iter()
                    .find(|other| {
                        image_path(&other.file_name) == format!("labeled-data/{}", image.file_name)
                    })
                    .expect("the image");
                found += 1;
                for (a, b) in image.points.iter().zip(&original.points) {
                    assert_eq!(a.is_there(), b.is_there());
                    assert!((a.x_px - b.x_px).abs() < 1e-3 && (a.y_px - b.y_px).abs() < 1e-3);
                }
            }
        }
        assert_eq!(found, 2);
    }

    #[test]
    fn labels_reject_images_of_the_same_path() {
        let mut sample = sample();
        sample.images[0].file_name = "a/b/x.png".into();
        sample.images[1].file_name = "a-b/x.png".into();
        let message = labels(&sample).expect_err("the same path").to_string();
        assert!(
            message.contains("both become labeled-data/a-b/x.png"),
            "{message}"
        );
    }
}
