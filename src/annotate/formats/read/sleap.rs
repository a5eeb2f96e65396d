//! Reads SLEAP's analysis table: predictions, one line per instance and frame.

use std::collections::HashMap;

use super::{LabelCollector, ReadResult};
use crate::annotate::names::ANY_EXTENSION;
use crate::annotate::{Imported, Point};
use crate::data::table;

/// Reads a table called `name`. Frames are those of its video, or images of the list `files` if there is one.
pub(super) fn read(
    text: &str,
    name: &str,
    files: Option<&HashMap<u64, String>>,
) -> ReadResult<Imported> {
    let mut found = LabelCollector::default();
    let rows = table::rows(text, &mut found.notes)
        .map_err(|what| format!("The table cannot be read: {what}."))?;
    let mut rows = rows.into_iter();
    let (_, header) = rows.next().ok_or("The table is empty.")?;
    let frame_column = header
        .iter()
        .position(|cell| cell.trim() == "frame_idx")
        .ok_or("The table has no column frame_idx.")?;
    let mut places: Vec<(String, [Option<usize>; 3])> = Vec::new(); // x, y, score
    for (column, cell) in header.iter().enumerate() {
        let found = (["x", "y", "score"].iter().enumerate())
            .find_map(|(axis, end)| Some((axis, cell.strip_suffix(end)?.strip_suffix('.')?)));
        // The first column of this name is SLEAP's own; a node may have the same name.
        let is_own = header
            .iter()
            .position(|cell| cell.trim() == "instance.score")
            == Some(column);
        let Some((axis, node)) = found.filter(|_| !is_own) else {
            continue;
        };
        match places.iter_mut().find(|(known, _)| known == node) {
            Some((_, columns)) => columns[axis] = columns[axis].or(Some(column)),
            None => {
                let mut columns = [None; 3];
                columns[axis] = Some(column);
                places.push((node.into(), columns));
            }
        }
    }
    let mut nodes = Vec::new();
    for (node, columns) in &places {
        match columns {
            [Some(x), Some(y), score] => {
                found.keypoint(node);
                nodes.push(([*x, *y], *score));
            }
            _ => found
                .tally
                .add("Nodes with only one of x and y were ignored", node),
        }
    }
    if nodes.is_empty() {
        return Err("The table names no nodes with x and y.".into());
    }
    let video = video_of(name);
    for (line, cells) in rows {
        let at = format!("line {line}");
        let mut value = |column: usize| {
            table::number(cells.get(column).map_or("", String::as_str)).unwrap_or_else(|text| {
                found.tally.add(
                    "Cells that are not numbers count as blank",
                    &format!("\"{text}\" in {at}"),
                );
                None
            })
        };
        let frame =
            value(frame_column).filter(|frame| frame.fract() == 0.0 && (0.0..1e15).contains(frame));
        let points = (nodes.iter())
            .map(|(place, score)| {
                let [x, y] = place.map(&mut value);
                let score = score.map(|column| value(column).unwrap_or(0.0).clamp(0.0, 1.0));
                x.zip(y).map_or(Point::ABSENT, |(x, y)| Point {
                    confidence: score.unwrap_or(1.0),
                    corrected: score.is_none(),
                    ..Point::placed([x, y])
                })
            })
            .collect();
        let Some(frame) = frame.map(|frame| frame as u64) else {
            found
                .tally
                .add("Lines without a frame number were ignored", &at);
            continue;
        };
        let image = match files {
            None => found.image(&format!("{video}{ANY_EXTENSION}"), Some(frame), [0; 2]),
            Some(files) => match files.get(&frame) {
                Some(file) => found.image(file, None, [0; 2]),
                None => {
                    found.tally.add(
                        "Lines whose number is not in the list of files were ignored",
                        &at,
                    );
                    continue;
                }
            },
        };
        found.place_object(image, points);
    }
    if files.is_none() && video == crate::annotate::formats::table_stem(None) {
        found.notes.push(format!(
            "{name} only numbers its images. Choose the whole zip that it was exported in, which holds the list of their files."
        ));
    }
    Ok(found.finish())
}

/// Returns the video of a table: `walk.analysis.csv`, or as SLEAP names it `labels.v001.000_walk.analysis.csv` -> `walk`.
fn video_of(name: &str) -> String {
    let name = name.strip_suffix(".csv").unwrap_or(name);
    let name = name.strip_suffix(".analysis").unwrap_or(name);
    let (folder, file) = crate::annotate::formats::split_path(name);
    let numbered = |file: &str| -> Option<String> {
        let (before, video) = file.split_once('_')?;
        let number = before.rsplit_once('.')?.1;
        (number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit())).then(|| video.into())
    };
    let file = numbered(file).unwrap_or_else(|| file.into());
    if folder.is_empty() {
        file
    } else {
        format!("{folder}/{file}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_takes_the_best_instance_of_each_frame() {
        let text = "track,frame_idx,instance.score,a.b.score,a.b.x,a.b.y,c.score,c.x,c.y,d.x\n\
                    ,3,0.9,0.5,1,2,,,,1\nt1,3,0.9,0.5,1,2,0.25,3,4,1\n,x,1,1,1,1,1,1,1,1\n";
        let imported = read(text, "labels.v001.000_walk.analysis.csv", None).expect("reads");
        let image = &imported.annotations.images[0];
        assert_eq!(image.name(), "walk/img000003.png");
        assert_eq!(imported.annotations.keypoints[0].name, "a.b");
        let expected = Point {
            confidence: 0.25,
            corrected: false,
            ..Point::placed([3.0, 4.0])
        };
        assert_eq!(image.points[1], expected);
        let notes = imported.notes.join("\n");
        for part in [
            "only one of x and y were ignored: 1, d",
            "several objects",
            "without a frame number were ignored: 1, line 4",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        assert!(read("track,frame_idx\n", "a.csv", None).is_err());
    }
}
