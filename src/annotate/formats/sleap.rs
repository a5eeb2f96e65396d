//! SLEAP's analysis table: one line per frame, `track,frame_idx,instance.score`, then `<node>.score,<node>.x,<node>.y`,
//! with columns sorted by their names.

use super::{File, FormatSpec, ImagePlace, by_video, csv_line, frame_list, number, px, table_stem};
use crate::annotate::{Annotations, Image};

pub(super) const ANALYSIS: FormatSpec = FormatSpec {
    title: "SLEAP analysis",
    about: "A table for each video",
    images: ImagePlace::Anywhere,
    write: |annotations| Ok(analysis(annotations)),
};

/// Writes `<video>.analysis.csv` for each video. Still images are numbered; `pictures.files.csv` lists which is which.
///
/// See `tests/annotation/tools.py`.
pub fn analysis(annotations: &Annotations) -> Vec<File> {
    // [3K] columns: name, keypoint, which of score, x, y.
    let mut columns: Vec<(String, usize, &str)> = Vec::new();
    for (index, keypoint) in annotations.keypoints.iter().enumerate() {
        for field in ["score", "x", "y"] {
            columns.push((format!("{}.{field}", keypoint.name), index, field));
        }
    }
    columns.sort();
    let header = csv_line(
        ["track", "frame_idx", "instance.score"]
            .into_iter()
            .chain(columns.iter().map(|(name, ..)| name.as_str())),
    );
    let line = |frame: u64, image: &Image| {
        let mut cells = vec![
            String::new(),
            frame.to_string(),
            number(image.confidence(), 6),
        ];
        for (_, index, field) in &columns {
            let point = &image.points[*index];
            cells.push(match *field {
                _ if !point.is_there() => String::new(),
                "x" => px(point.x_px),
                "y" => px(point.y_px),
                _ => number(point.confidence, 6),
            });
        }
        csv_line(cells)
    };
    let mut files = Vec::new();
    for (video, images) in by_video(annotations) {
        let stem = table_stem(video);
        let lines: String = images
            .iter()
            .filter(|(_, image)| image.points.iter().any(|p| p.is_there()))
            .map(|(frame, image)| line(*frame, image))
            .collect();
        files.push(File::text(
            format!("{stem}.analysis.csv"),
            header.clone() + &lines,
        ));
        if video.is_none() {
            files.push(frame_list(&images, format!("{stem}.files.csv")));
        }
    }
    if files.is_empty() {
        files.push(File::text("pictures.analysis.csv", header));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::tests::sample;

    #[test]
    fn analysis_sorts_columns_by_name() {
        let mut sample = sample();
        sample.keypoints.truncate(2);
        sample.keypoints[0].name = "tail".into();
        sample.keypoints[1].name = "ear".into();
        sample.images.truncate(1);
        sample.images[0].points.truncate(2);
        sample.images[0].file_name = "walk.mp4".into();
        sample.images[0].frame = Some(4);
        let files = analysis(&sample);
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].path, "walk.analysis.csv");
        assert_eq!(
            String::from_utf8_lossy(&files[0].bytes),
            "track,frame_idx,instance.score,ear.score,ear.x,ear.y,tail.score,tail.x,tail.y\n\
             ,4,0.75,1,30,40.25,0.5,10.5,20\n"
        );
    }
}
