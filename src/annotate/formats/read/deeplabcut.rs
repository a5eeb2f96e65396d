//! Reads tables of DeepLabCut and Lightning Pose: labels, or predictions with a likelihood.

use std::collections::HashMap;

use super::{LabelCollector, ReadResult};
use crate::annotate::names::ANY_EXTENSION;
use crate::annotate::{Imported, Point};
use crate::data::table;
use crate::error::{Error, Result};

/// Reads a table of one animal: labels (`CollectedData_*.csv`), or predictions, which stay predictions. The images' sizes stay
/// unknown (0), since the table does not hold them.
///
/// See `tests/annotation/sample.rs`.
///
/// # Errors
/// [`Error::Landmarks`] if the text is not such a table, with the line that is wrong.
pub fn import(text: &str) -> Result<Imported> {
    read(text, "", None).map_err(Error::Landmarks)
}

/// The columns of a body part: `[x, y, likelihood]`.
type Columns = [Option<usize>; 3];

/// Reads a table called `name`. Numbered rows are frames of its video, or images of the list `files` if there is one.
pub(super) fn read(
    text: &str,
    name: &str,
    files: Option<&HashMap<u64, String>>,
) -> ReadResult<Imported> {
    let mut found = LabelCollector::default();
    let rows = table::rows(text, &mut found.notes)
        .map_err(|what| format!("The table cannot be read: {what}."))?;
    let mut rows = rows.into_iter().peekable();
    let mut header = |title: &str| {
        rows.next_if(|(_, cells)| is_title(&cells[0], title))
            .map(|(_, cells)| cells)
    };
    let scorers = header("scorer");
    let individuals = header("individuals").unwrap_or_default();
    let (bodyparts, coords) = (header("bodyparts"), header("coords"));
    let (Some(scorers), Some(bodyparts), Some(coords)) = (scorers, bodyparts, coords) else {
        const EXPECTED: &str =
            "a DeepLabCut table begins with the lines scorer, bodyparts and coords";
        return Err(match rows.next() {
            Some((line, cells)) => format!(
                "Line {line} begins with \"{}\", but {EXPECTED}. Choose CollectedData_<scorer>.csv from labeled-data.",
                cells[0].chars().take(40).collect::<String>()
            ),
            None => format!("The table ends too early: {EXPECTED}."),
        });
    };
    let rows: Vec<(usize, Vec<String>)> = rows.collect();
    let count = bodyparts.len().max(coords.len());
    let cell =
        |row: &[String], column: usize| row.get(column).map_or("", |cell| cell.trim()).to_string();
    // Newer tables split the path over three columns, of which the header names the first.
    let is_blank =
        |column: &usize| cell(&bodyparts, *column).is_empty() && cell(&coords, *column).is_empty();
    let index = 1 + (1..count).take_while(is_blank).count();
    let animal = animal(&individuals, index, &rows)?;

    let mut parts: Vec<(String, Columns)> = Vec::new();
    for column in index..count {
        let coord = cell(&coords, column);
        let part = bodyparts.get(column).cloned().unwrap_or_default();
        let individual = cell(&individuals, column);
        if animal
            .as_ref()
            .is_some_and(|animal| individual != *animal && !is_shared(&individual))
        {
            continue;
        }
        let Some(axis) = ["x", "y", "likelihood"]
            .iter()
            .position(|known| coord.eq_ignore_ascii_case(known))
        else {
            let name = [coord, part, cell(&scorers, column)]
                .into_iter()
                .find(|name| !name.is_empty());
            found.tally.add(
                "Columns that are not x, y or likelihood were ignored",
                &name.unwrap_or(format!("column {}", column + 1)),
            );
            continue;
        };
        let at = parts
            .iter()
            .position(|(known, _)| *known == part)
            .unwrap_or_else(|| {
                parts.push((part.clone(), [None; 3]));
                parts.len() - 1
            });
        match parts[at].1[axis] {
            Some(_) => found.tally.add(
                "Duplicate columns were ignored (the first of each was used)",
                &format!("{part} {coord}"),
            ),
            None => parts[at].1[axis] = Some(column),
        }
    }
    let mut places: Vec<([usize; 2], Option<usize>)> = Vec::new();
    for (part, columns) in &parts {
        match columns {
            [Some(x), Some(y), likelihood] => {
                found.keypoint(part);
                places.push(([*x, *y], *likelihood));
            }
            _ => found
                .tally
                .add("Body parts with only one of x and y were ignored", part),
        }
    }
    if places.is_empty() {
        return Err("The table names no body parts with x and y.".into());
    }

    let video = video_of(name);
    let video_file = format!("{video}{ANY_EXTENSION}");
    for (line, cells) in &rows {
        let at = format!("line {line}");
        if cells.iter().skip(count).any(|cell| !cell.trim().is_empty()) {
            found
                .tally
                .add("Lines with more cells than the header were ignored", &at);
            continue;
        }
        let path = cells[..index.min(cells.len())].join("/").replace('\\', "/");
        let path = path.trim_matches('/').trim();
        let mut points = Vec::with_capacity(places.len());
        for (place, likelihood) in &places {
            let mut value = |column: usize| {
                table::number(cells.get(column).map_or("", String::as_str)).unwrap_or_else(|text| {
                    let text: String = text.chars().take(40).collect();
                    found.tally.add(
                        "Cells that are not numbers count as blank",
                        &format!("\"{text}\" in {at}"),
                    );
                    None
                })
            };
            let [x, y] = place.map(&mut value);
            let likelihood = likelihood.map(|column| value(column).unwrap_or(0.0).clamp(0.0, 1.0));
            points.push(match (x, y) {
                (Some(x), Some(y)) => Point {
                    confidence: likelihood.unwrap_or(1.0),
                    corrected: likelihood.is_none(),
                    ..Point::placed([x, y])
                },
                (None, None) => Point::ABSENT,
                _ => {
                    found
                        .tally
                        .add("Points with only one coordinate count as absent", &at);
                    Point::ABSENT
                }
            });
        }
        if path.is_empty() {
            // pandas may write a line for the index's name.
            if points.iter().any(Point::is_there) {
                found.tally.add("Lines without an image were ignored", &at);
            }
            continue;
        }
        let number = path
            .parse::<f64>()
            .ok()
            .filter(|frame| frame.fract() == 0.0 && (0.0..1e15).contains(frame));
        let image = match (number.map(|frame| frame as u64), files) {
            (Some(frame), Some(files)) => match files.get(&frame) {
                Some(file) => found.image(file, None, [0; 2]),
                None => {
                    found.tally.add(
                        "Lines whose number is not in the list of files were ignored",
                        &at,
                    );
                    continue;
                }
            },
            (Some(frame), None) => found.image(
                if video.is_empty() { path } else { &video_file },
                Some(frame),
                [0; 2],
            ),
            (None, _) => found.image(
                path.strip_prefix("labeled-data/").unwrap_or(path),
                None,
                [0; 2],
            ),
        };
        if found.images[image].points.is_empty() {
            found.images[image].points = points;
        } else if found.images[image].points != points {
            found.tally.add(
                "Duplicate lines of an image were ignored (the first of each was used)",
                &at,
            );
        }
    }
    if found.images.is_empty() {
        return Err("The table has a header but no images. Export the labels again.".into());
    }
    if files.is_none() && video == crate::annotate::formats::table_stem(None) {
        found.notes.push(format!(
            "{name} only numbers its images. Choose the whole zip that it was exported in, which holds the list of their files."
        ));
    }
    Ok(found.finish())
}

fn is_title(cell: &str, title: &str) -> bool {
    cell.trim().eq_ignore_ascii_case(title)
}

/// Returns true if a column belongs to no animal in particular.
fn is_shared(individual: &str) -> bool {
    individual.is_empty() || individual.eq_ignore_ascii_case("single")
}

/// Chooses the animal to read from a table of several: the only one, or the only one that is labelled.
fn animal(
    individuals: &[String],
    index: usize,
    rows: &[(usize, Vec<String>)],
) -> ReadResult<Option<String>> {
    let mut animals: Vec<(&str, bool)> = Vec::new(); // name, and true if it has a label
    for (column, animal) in individuals.iter().enumerate().skip(index) {
        let animal = animal.trim();
        if is_shared(animal) {
            continue;
        }
        let has_label = rows.iter().any(|(_, cells)| {
            cells
                .get(column)
                .is_some_and(|cell| matches!(table::number(cell), Ok(Some(_))))
        });
        match animals.iter_mut().find(|(known, _)| *known == animal) {
            Some((_, any)) => *any |= has_label,
            None => animals.push((animal, has_label)),
        }
    }
    let labelled: Vec<&str> = animals
        .iter()
        .filter(|(_, has_label)| *has_label)
        .map(|(name, _)| *name)
        .collect();
    match (labelled.as_slice(), animals.first()) {
        ([], None) => Ok(None),
        ([], Some((only, _))) | ([only], _) => Ok(Some(only.to_string())),
        (several, _) => Err(format!(
            "This table labels several animals ({}), but only one animal per image can be read. Export one animal's labels.",
            several.join(", ")
        )),
    }
}

/// Returns the video of a table of predictions: `a/walkDLC_resnet50.csv` -> `a/walk`.
pub(super) fn video_of(name: &str) -> String {
    let name = name.strip_suffix(".csv").unwrap_or(name);
    let (folder, file) = crate::annotate::formats::split_path(name);
    let file = file.split_once("DLC_").map_or(file, |(video, _)| video);
    if folder.is_empty() {
        file.into()
    } else {
        format!("{folder}/{file}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(text: &str) -> (Imported, String) {
        let imported = import(text).expect("reads");
        let notes = imported.notes.join("\n");
        (imported, notes)
    }

    #[test]
    fn import_joins_paths_of_three_columns() {
        let text =
            "scorer,,,me,me\nbodyparts,,,nose,nose\ncoords,,,x,y\nlabeled-data,set1,img1.png,3,4\n";
        let image = import(text).expect("reads").annotations.images.remove(0);
        assert_eq!(image.file_name, "set1/img1.png");
        assert_eq!((image.points[0].x_px, image.points[0].y_px), (3.0, 4.0));
    }

    #[test]
    fn import_reads_one_labelled_animal() {
        let table = |second: &str| {
            format!(
                "scorer,me,me,me,me,me,me\nindividuals,m1,m1,m2,m2,single,single\nbodyparts,nose,nose,nose,nose,cup,cup\ncoords,x,y,x,y,x,y\n\
                 a.png,1,2,{second},5,6\n"
            )
        };
        let (imported, notes) = read_one(&table(","));
        let names: Vec<&str> = imported
            .annotations
            .keypoints
            .iter()
            .map(|k| k.name.as_str())
            .collect();
        assert_eq!(names, ["nose", "cup"]);
        assert_eq!(
            imported.annotations.images[0].points[1],
            Point::placed([5.0, 6.0])
        );
        assert_eq!(notes, "");
        let message = import(&table("3,4")).expect_err("two animals").to_string();
        assert!(message.contains("several animals (m1, m2)"), "{message}");
        let (imported, notes) = read_one(
            "scorer,me,me\nindividuals,individual1,individual1\nbodyparts,nose,nose\ncoords,x,y\na.png,10,20\n",
        );
        assert_eq!(
            imported.annotations.images[0].points,
            [Point::placed([10.0, 20.0])]
        );
        assert_eq!(notes, "");
    }

    #[test]
    fn import_keeps_predictions() {
        let text = "scorer,hm,hm,hm,set\nbodyparts,nose,nose,nose,\ncoords,x,y,likelihood,\na.png,10,20,0.9,train\nb.png,12,21,,train\n";
        let (imported, notes) = read_one(text);
        let images = &imported.annotations.images;
        let expected = Point {
            confidence: 0.9,
            corrected: false,
            ..Point::placed([10.0, 20.0])
        };
        assert_eq!(images[0].points, [expected]);
        assert_eq!(
            (
                images[1].points[0].confidence,
                images[1].points[0].corrected
            ),
            (0.0, false)
        );
        assert_eq!(
            notes,
            "Columns that are not x, y or likelihood were ignored: 1, set."
        );
    }

    #[test]
    fn read_assigns_frames_to_the_tables_video() {
        let text = "scorer,m,m,m\nbodyparts,a,a,a\ncoords,x,y,likelihood\n7,1,2,0.5\n8.0,1,2,0.5\n";
        let frame = |name: &str| {
            read(text, name, None)
                .expect("reads")
                .annotations
                .images
                .remove(1)
                .name()
        };
        assert_eq!(
            frame("cam1/walkDLC_resnet50_shuffle1.csv"),
            "cam1/walk/img000008.png"
        );
        assert_eq!(frame("walk.v2.csv"), "walk.v2/img000008.png");
        let files = HashMap::from([(7, "x.png".to_string())]);
        let imported = read(text, "picturesDLC_autolink.csv", Some(&files)).expect("reads");
        assert_eq!(imported.annotations.images.len(), 1);
        assert_eq!(imported.annotations.images[0].name(), "x.png");
        assert!(
            imported.notes[0].contains("not in the list"),
            "{:?}",
            imported.notes
        );
        let notes = read(text, "picturesDLC_autolink.csv", None)
            .expect("reads")
            .notes;
        assert!(notes[0].contains("only numbers its images"), "{notes:?}");
    }

    #[test]
    fn import_notes_unusable_entries() {
        let header = "scorer,me,me,me\nbodyparts,a,a,b\ncoords,x,y,x\n";
        let (imported, notes) = read_one(&format!(
            "{header}a.png,1,two\nb.png,1\nc.png,3,4,5,6\nd.png,7,8,\nd.png,9,9,\nd.png,7,8,\n,1,2,\n,,,\ne.png,nan,NaN,\n"
        ));
        let names: Vec<&str> = imported
            .annotations
            .images
            .iter()
            .map(|image| image.file_name.as_str())
            .collect();
        assert_eq!(names, ["a.png", "b.png", "d.png", "e.png"]);
        assert_eq!(
            imported.annotations.images[2].points,
            [Point::placed([7.0, 8.0])]
        );
        for part in [
            "only one of x and y were ignored: 1, b.",
            "not numbers count as blank: 1, \"two\" in line 4.",
            "only one coordinate count as absent: 2, for example line 4.",
            "more cells than the header were ignored: 1, line 6.",
            "of an image were ignored (the first of each was used): 1, line 8.",
            "without an image were ignored: 1, line 10.",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
    }

    #[test]
    fn import_rejects_other_tables() {
        let header = "scorer,me,me\nbodyparts,a,a\ncoords,x,y\n";
        let cases = [
            (String::new(), "ends too early"),
            ("file,a_x,a_y\n".into(), "begins with \"file\""),
            ("scorer,me\nindividuals,m1\n".into(), "ends too early"),
            (
                "scorer,me,me\nbodyparts,a,a\ncoords,x,z\na.png,1,2\n".into(),
                "no body parts",
            ),
            ("scorer\nbodyparts\ncoords\n".into(), "no body parts"),
            (header.into(), "no images"),
            (format!("{header}\"a.png,1,2\n"), "does not end"),
        ];
        for (text, part) in cases {
            let message = import(&text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
