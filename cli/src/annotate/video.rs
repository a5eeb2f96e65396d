//! Annotated videos: the skeleton and the trails of its keypoints over the original frames.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail};
use autolink::annotate::{self, Annotations, formats};
use autolink::words::counted;
use indicatif::ProgressBar;
use serde_json::json;

use crate::args::Discover;
use crate::files::{Gathered, NamedVideo};
use crate::output::Reporter;
use crate::save::{Outputs, folder_of, write_with};
use crate::signals::Signals;
use crate::video::VideoWriter;

/// Length of the trails, s.
const TRAIL_SECONDS: f64 = 0.5;

/// Checks before any work that there are videos, and that no file is replaced that should stay.
///
/// # Errors
/// There is no video, two would be written to one file, or a file exists and there is no `--force`.
pub fn check(options: &Discover, gathered: &Gathered, outputs: &Outputs) -> anyhow::Result<()> {
    check_videos(gathered)?;
    let mut paths = HashMap::new();
    for video in &gathered.videos {
        let path = options.out.join(formats::annotated_video(&video.name));
        outputs.check(&path)?;
        if let Some(other) = paths.insert(path, &video.name) {
            bail!(
                "The annotated videos of {other} and {} would have the same name. Rename one of them.",
                video.name
            );
        }
    }
    Ok(())
}

/// Checks that there are videos.
///
/// # Errors
/// There is none.
pub fn check_videos(gathered: &Gathered) -> anyhow::Result<()> {
    if gathered.videos.is_empty() {
        let reasons = gathered.rejected.iter();
        let reasons: Vec<String> = reasons
            .map(|rejected| format!("\n{}: {}", rejected.name, rejected.reason))
            .collect();
        bail!(
            "There is no video among these files. Choose another format for images.{}",
            reasons.concat()
        );
    }
    Ok(())
}

/// Writes the annotated video of each video. Ctrl-C stops it and leaves only videos that are complete; the exit code is the signal's.
///
/// # Errors
/// A video cannot be read or written.
pub fn write(
    annotations: &Annotations,
    gathered: &Gathered,
    options: &Discover,
    outputs: &Outputs,
    reporter: &Reporter,
) -> anyhow::Result<ExitCode> {
    let signals = Signals::catch()?;
    let (mut total, mut written) = (0, 0);
    for named in &gathered.videos {
        let mut images: Vec<(usize, &annotate::Image)> = (annotations.images.iter())
            .filter(|image| image.file_name == named.name)
            .filter_map(|image| Some((image.frame? as usize, image)))
            .collect();
        if images.is_empty() {
            continue; // a sentence has told why
        }
        images.sort_by_key(|(frame, _)| *frame);
        let path = options.out.join(formats::annotated_video(&named.name));
        outputs.check(&path)?;
        let folder = folder_of(&path);
        fs::create_dir_all(&folder)
            .with_context(|| format!("The folder {} cannot be created", folder.display()))?;
        let bar = reporter.bar(
            images.len(),
            "{bar:32} {pos}/{len} frames drawn, {per_sec}, {eta} left",
        );
        let draw = |part: &Path| draw(annotations, named, &images, part, &signals, &bar);
        let drawn = write_with(&path, draw);
        bar.finish_and_clear();
        if let Some(code) = signals.exit_code() {
            reporter.print(
                &bar,
                &format!("Stopped after {}.", counted(written, "annotated video")),
            );
            return Ok(ExitCode::from(code));
        }
        total += drawn?;
        written += 1;
        if reporter.json {
            let out = path.to_string_lossy();
            reporter.line(&json!({"type": "video", "frames": images.len(), "out": out}));
        }
    }
    reporter.print(
        &ProgressBar::hidden(),
        &format!(
            "Wrote {} with {} to {}.",
            counted(written, "annotated video"),
            counted(total, "frame"),
            options.out.display()
        ),
    );
    Ok(ExitCode::SUCCESS)
}

/// Draws the frames of one video to the file `part`, and returns their number.
fn draw(
    annotations: &Annotations,
    named: &NamedVideo,
    images: &[(usize, &annotate::Image)],
    part: &Path,
    signals: &Signals,
    bar: &ProgressBar,
) -> anyhow::Result<usize> {
    let sentence = |reason: String| anyhow!("{}: {reason}", named.name);
    let numbers: Vec<usize> = images.iter().map(|(frame, _)| *frame).collect();
    let frames = named.video.frames(&numbers).map_err(sentence)?;
    let mut writer: Option<VideoWriter> = None;
    let mut trails = Trails::new(annotations.keypoints.len());
    let mut count = 0;
    for frame in frames {
        if signals.exit_code().is_some() {
            bail!("Stopped.");
        }
        let frame = match frame {
            Err(_) if count == images.len() => break, // what the file lacks was told before
            frame => frame.map_err(sentence)?,
        };
        let Ok(at) = numbers.binary_search(&frame.number) else {
            continue;
        };
        let image = images[at].1;
        trails.add(frame.seconds, image);
        let size_px = frame.size_px;
        let places = trails.places_px();
        let rgb = formats::draw_on_frame(annotations, image, &places, &frame.rgb, size_px)?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(
                VideoWriter::begin(part, size_px, named.video.timescale).map_err(sentence)?,
            ),
        };
        writer
            .push(frame.seconds, size_px, &rgb)
            .map_err(sentence)?;
        bar.inc(1);
        count += 1;
    }
    let writer = writer.ok_or_else(|| sentence("It has no readable frames.".into()))?;
    writer.finish().map_err(sentence)?;
    Ok(count)
}

/// The latest places of each keypoint.
struct Trails(Vec<VecDeque<(f64, [f64; 2])>>);

impl Trails {
    fn new(keypoints: usize) -> Self {
        Self(vec![VecDeque::new(); keypoints])
    }

    /// Adds the points of the frame that is shown at `seconds`. The trail of a point that is absent begins anew.
    fn add(&mut self, seconds: f64, image: &annotate::Image) {
        for (trail, point) in self.0.iter_mut().zip(&image.points) {
            if !point.is_there() {
                trail.clear();
                continue;
            }
            trail.push_back((seconds, [point.x_px, point.y_px]));
            while trail
                .front()
                .is_some_and(|(then, _)| seconds - then > TRAIL_SECONDS)
            {
                trail.pop_front();
            }
        }
    }

    /// Returns the places `[K][T][x, y]`, px, the newest last.
    fn places_px(&self) -> Vec<Vec<[f64; 2]>> {
        let places = |trail: &VecDeque<(f64, [f64; 2])>| trail.iter().map(|(_, at)| *at).collect();
        self.0.iter().map(places).collect()
    }
}

#[cfg(test)]
mod tests {
    use autolink::annotate::Point;

    use super::*;

    #[test]
    fn trails_keep_half_a_second_and_end_at_gaps() {
        let image = |x_px: f64| annotate::Image {
            file_name: "walk.mp4".into(),
            frame: Some(0),
            seconds: None,
            width_px: 10,
            height_px: 10,
            exif_orientation: 1,
            crop: None,
            points: vec![Point::placed([x_px, 0.0])],
        };
        let mut trails = Trails::new(1);
        for (seconds, x_px) in [(0.0, 1.0), (0.3, 2.0), (0.5, 3.0), (0.75, 4.0)] {
            trails.add(seconds, &image(x_px));
        }
        assert_eq!(trails.places_px(), [[[2.0, 0.0], [3.0, 0.0], [4.0, 0.0]]]);
        let mut gap = image(0.0);
        gap.points[0] = Point::ABSENT;
        trails.add(0.8, &gap);
        assert!(trails.places_px()[0].is_empty());
    }
}
