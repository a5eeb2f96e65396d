//! CSV tables (RFC 4180), and what tables of videos share.
//!
//! Lines are written by hand: the quoting is ten lines, and the `csv` crate would be a part of the page's engine for them.

use std::collections::HashMap;

use super::File;
use super::names::safe_path;
use crate::annotate::{Annotations, Image, without_extension};

/// Writes a line of a table, with its line break.
pub(in crate::annotate) fn csv_line<S: AsRef<str>>(cells: impl IntoIterator<Item = S>) -> String {
    let mut line = String::new();
    for (i, cell) in cells.into_iter().enumerate() {
        let cell = cell.as_ref();
        if i > 0 {
            line.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(cell);
        }
    }
    line.push('\n');
    line
}

/// A video's file (`None` for still images), and its images with their frame numbers.
pub(super) type Video<'a> = (Option<&'a str>, Vec<(u64, &'a Image)>);

/// Groups images by their videos, and all still images together (`None`), in the order in which they first appear. The frame of a
/// still image is its index among the still images.
pub(super) fn by_video(annotations: &Annotations) -> Vec<Video<'_>> {
    let mut videos: Vec<Video> = Vec::new();
    let mut at: HashMap<Option<&str>, usize> = HashMap::new();
    for image in &annotations.images {
        let key = image.frame.map(|_| image.file_name.as_str());
        let i = *at.entry(key).or_insert_with(|| {
            videos.push((key, Vec::new()));
            videos.len() - 1
        });
        let frame = image.frame.unwrap_or(videos[i].1.len() as u64);
        videos[i].1.push((frame, image));
    }
    for (_, images) in &mut videos {
        images.sort_by_key(|(frame, _)| *frame);
    }
    videos
}

/// Names the tables of a video, or of all still images.
pub(super) fn table_stem(video: Option<&str>) -> String {
    video.map_or("pictures".into(), |video| {
        safe_path(without_extension(video))
    })
}

/// Lists which frame of a table is which image, for formats that only number frames.
pub(super) fn frame_list(images: &[(u64, &Image)], path: String) -> File {
    let mut text = csv_line(["frame", "file"]);
    for (frame, image) in images {
        text += &csv_line([frame.to_string(), image.name()]);
    }
    File::text(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;
    use crate::data::table;

    #[test]
    fn tables_are_read_as_they_were_written() {
        let rows = [
            vec!["a", "", "b,c"],
            vec!["\"q\"", "two\nlines", " space "],
            vec!["", "", ""],
        ];
        let text: String = rows.iter().map(csv_line).collect();
        let read = table::rows(&text, &mut Vec::new()).expect("rows");
        assert_eq!(
            read.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
            [1, 2, 4]
        );
        for ((_, cells), row) in read.iter().zip(&rows) {
            assert_eq!(cells, row);
        }
    }

    #[test]
    fn frames_are_grouped_by_video() {
        let mut sample = sample();
        sample.images[0].file_name = "walk.mp4".into();
        sample.images[0].frame = Some(7);
        sample.images[2].file_name = "walk.mp4".into();
        sample.images[2].frame = Some(3);
        let groups = by_video(&sample);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].0, Some("walk.mp4"));
        assert_eq!(
            groups[0].1.iter().map(|(f, _)| *f).collect::<Vec<_>>(),
            [3, 7]
        );
        assert_eq!((groups[1].0, groups[1].1[0].0), (None, 0));
        assert_eq!(table_stem(groups[0].0), "walk");
    }
}
