//! DeepLabCut and Lightning Pose: tables with a header of three lines (scorer, bodyparts, coords), blank where missing.
//!
//! DeepLabCut keeps pictures in one folder per video, right under `labeled-data`: nested folders are joined by `-`.
//! It makes its H5 files of these with `deeplabcut.convertcsv2h5("config.yaml", userfeedback=False)`.

use std::collections::HashMap;

use super::{
    File, by_video, csv_line, csv_rows, number, picture_list, px, safe_path, split_path,
    table_stem, uncolored, unique_name, yaml_string,
};
use crate::annotate::{Annotations, Image, Imported, Point};
use crate::error::{Error, Result};

/// Who labelled, as DeepLabCut asks.
const SCORER: &str = "autolink";
/// The folder of pictures that have none.
const NO_FOLDER: &str = "pictures";

/// A project: `config.yaml` and `labeled-data/<folder>/CollectedData_autolink.csv` for each folder. Pictures without any
/// point are left out: pandas takes such a line at the top for the index's name.
///
/// # Errors
/// [`Error::File`] if two pictures come to one place when their folders are joined.
pub fn labels(annotations: &Annotations) -> Result<Vec<File>> {
    let mut folders: Vec<(String, [u32; 2], Vec<String>)> = Vec::new();
    let mut taken: HashMap<String, String> = HashMap::new();
    for image in &annotations.images {
        let path = picture_path(&image.picture_name());
        if let Some(other) = taken.insert(path.clone(), image.picture_name()) {
            return Err(Error::File(format!(
                "In DeepLabCut's folders {other} and {} both become {path}: rename one of them.",
                image.picture_name()
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

/// `a/b/c.png` -> `labeled-data/a-b/c.png`.
pub(super) fn picture_path(name: &str) -> String {
    let path = safe_path(name);
    let (folder, file) = split_path(&path);
    let folder = if folder.is_empty() {
        NO_FOLDER.into()
    } else {
        folder.replace('/', "-")
    };
    format!("labeled-data/{folder}/{file}")
}

/// Predictions for each video: `<video>DLC_autolink.csv`, a line per frame, with `x,y,likelihood`. Pictures are numbered;
/// `picturesDLC_autolink_files.csv` says which is which.
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
            files.push(picture_list(&images, format!("{stem}_files.csv")));
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

/// Reads a table of DeepLabCut's: labels (`CollectedData_*.csv`) of a single animal, or predictions. The pictures' sizes
/// stay unknown (0), since the table does not say them.
///
/// # Errors
/// [`Error::Landmarks`] if it is no such table: a sentence says what is wrong, and in which line.
pub fn import(text: &str) -> Result<Imported> {
    read(text).map_err(Error::Landmarks)
}

fn read(text: &str) -> std::result::Result<Imported, String> {
    const EXPECTED: &str =
        "a table of DeepLabCut's begins with the lines scorer, bodyparts and coords";
    let rows = csv_rows(text).map_err(|what| format!("The table cannot be read: {what}."))?;
    let mut rows = rows.into_iter();
    let mut header_line = |title: &str| {
        match rows.next() {
        Some((_, cells)) if cells[0] == title => Ok(cells),
        Some((_, cells)) if cells[0] == "individuals" => Err(
            "This table is of several animals; only those of one animal can be read: export one animal's labels.".into(),
        ),
        Some((line, cells)) => Err(format!(
            "Line {line} begins with \"{}\", but {EXPECTED}: give CollectedData_<scorer>.csv from labeled-data.",
            cells[0].chars().take(40).collect::<String>()
        )),
        None => Err(format!("The table ends too early: {EXPECTED}.")),
    }
    };
    let scorers = header_line("scorer")?;
    let bodyparts = header_line("bodyparts")?;
    let coords = header_line("coords")?;
    let columns = scorers.len();
    if bodyparts.len() != columns || coords.len() != columns {
        return Err(
            "The three lines of the table's header are not of one length: export it again.".into(),
        );
    }
    // Newer tables split the path over three columns, of which the header names the first.
    let index = 1 + bodyparts[1..].iter().take_while(|c| c.is_empty()).count();

    let mut notes = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut originals: Vec<&str> = Vec::new();
    let mut places: Vec<[Option<usize>; 3]> = Vec::new(); // [K][x, y, likelihood]
    for column in index..columns {
        let part = bodyparts[column].as_str();
        let keypoint = originals
            .iter()
            .position(|o| *o == part)
            .unwrap_or_else(|| {
                originals.push(part);
                names.push(unique_name(part, &names, &mut notes));
                places.push([None; 3]);
                names.len() - 1
            });
        let axis = match coords[column].as_str() {
            "x" => 0,
            "y" => 1,
            "likelihood" => 2,
            other => {
                return Err(format!(
                    "Column {} of the table is \"{other}\": it should be x, y or likelihood.",
                    column + 1
                ));
            }
        };
        if places[keypoint][axis].replace(column).is_some() {
            return Err(format!(
                "The table has two columns {} for \"{part}\": export it again.",
                coords[column]
            ));
        }
    }
    if names.is_empty() {
        return Err("The table names no body parts.".into());
    }
    if let Some(at) = places.iter().position(|p| p[0].is_none() || p[1].is_none()) {
        return Err(format!(
            "The table has only one of x and y for \"{}\": export it again.",
            names[at]
        ));
    }

    let mut images: Vec<Image> = Vec::new();
    for (line, cells) in rows {
        if cells.len() != columns {
            return Err(format!(
                "Line {line} of the table has {} columns, but its header {columns}.",
                cells.len()
            ));
        }
        let path = cells[..index].join("/").replace('\\', "/");
        let value = |column: usize| match cells[column].trim() {
            "" | "nan" | "NaN" | "NA" => Ok(None),
            cell => match cell.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Some(value)),
                _ => Err(format!(
                    "Line {line} of the table: \"{cell}\" is not a number."
                )),
            },
        };
        let mut points = Vec::with_capacity(names.len());
        for place in &places {
            let [x, y, likelihood] = place.map(|column| column.map_or(Ok(None), value));
            let likelihood = likelihood?;
            points.push(match (x?, y?) {
                (Some(x), Some(y)) => Point {
                    confidence: likelihood.unwrap_or(1.0),
                    corrected: likelihood.is_none(),
                    ..Point::placed([x, y])
                },
                _ => Point::ABSENT,
            });
        }
        images.push(Image {
            frame: path.parse().ok(),
            seconds: None,
            file_name: path
                .strip_prefix("labeled-data/")
                .unwrap_or(&path)
                .to_string(),
            width_px: 0,
            height_px: 0,
            points,
        });
    }
    if images.is_empty() {
        return Err("The table has a header, but no pictures.".into());
    }
    Ok(Imported {
        annotations: Annotations {
            category: "object".into(),
            keypoints: uncolored(names),
            images,
            ..Annotations::default()
        },
        notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn labels_are_as_deeplabcut_writes_them() {
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
    fn predictions_are_by_frame() {
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
    fn what_is_written_is_read() {
        let sample = sample();
        let files = labels(&sample).expect("files");
        let mut found = 0;
        for file in &files[1..] {
            let text = String::from_utf8_lossy(&file.bytes);
            let Ok(Imported { annotations, notes }) = import(&text) else {
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
                        picture_path(&other.file_name)
                            == format!("labeled-data/{}", image.file_name)
                    })
                    .expect("the picture");
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
    fn newer_paths_over_three_columns_are_joined() {
        let text =
            "scorer,,,me,me\nbodyparts,,,nose,nose\ncoords,,,x,y\nlabeled-data,set1,img1.png,3,4\n";
        let image = import(text).expect("reads").annotations.images.remove(0);
        assert_eq!(image.file_name, "set1/img1.png");
        assert_eq!((image.points[0].x_px, image.points[0].y_px), (3.0, 4.0));
    }

    #[test]
    fn pictures_that_meet_are_refused() {
        let mut sample = sample();
        sample.images[0].file_name = "a/b/x.png".into();
        sample.images[1].file_name = "a-b/x.png".into();
        let message = labels(&sample).expect_err("they meet").to_string();
        assert!(
            message.contains("both become labeled-data/a-b/x.png"),
            "{message}"
        );
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let header = "scorer,me,me\nbodyparts,a,a\ncoords,x,y\n";
        let cases = [
            (String::new(), "ends too early"),
            ("file,a_x,a_y\n".into(), "begins with \"file\""),
            ("scorer,me\nindividuals,m1\n".into(), "several animals"),
            (
                "scorer,me,me\nbodyparts,a\ncoords,x,y\n".into(),
                "not of one length",
            ),
            ("scorer,me,me\nbodyparts,a,a\ncoords,x,z\n".into(), "\"z\""),
            (
                "scorer,me,me\nbodyparts,a,a\ncoords,x,x\n".into(),
                "two columns x",
            ),
            (
                "scorer,me,me\nbodyparts,a,b\ncoords,x,x\n".into(),
                "only one of x and y",
            ),
            ("scorer\nbodyparts\ncoords\n".into(), "no body parts"),
            (header.into(), "no pictures"),
            (
                format!("{header}a.png,1\n"),
                "Line 4 of the table has 2 columns",
            ),
            (
                format!("{header}a.png,1,two\n"),
                "Line 4 of the table: \"two\"",
            ),
            (format!("{header}\"a.png,1,2\n"), "does not end"),
        ];
        for (text, part) in cases {
            let message = import(&text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
