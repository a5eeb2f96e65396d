//! Videos of the project: the frames to which the skeleton jumps, and flips of head and tail.

use std::collections::{BTreeMap, HashMap};

use super::{AnnotationProject, Detection, ImageEntry};
use crate::annotate::{Image, Point};
use crate::data::Placement;
use crate::data::locate::{Step, jumps, mend_flips, next_step};
use crate::session::Reversed;

impl AnnotationProject {
    /// Finds the frames to which the skeleton jumps, in each video; returns their ids. `images` are those at `places`.
    pub(super) fn jumps(&self, places: &[usize], images: &[Image]) -> Vec<u32> {
        let points: HashMap<usize, &[Point]> = (places.iter().zip(images))
            .map(|(&place, image)| (place, &*image.points))
            .collect();
        let mut ids = Vec::new();
        for frames in self.videos(places).values() {
            let track: Vec<_> = frames
                .iter()
                .map(|place| positions(points[place]))
                .collect();
            ids.extend(
                jumps(&track)
                    .into_iter()
                    .map(|at| self.entries[frames[at]].id),
            );
        }
        ids
    }

    /// Mends swapped heads and tails in the frames of a video whose crops are turned; `readings` holds reversed readings by the frames'
    /// ids. Returns the number of frames that get their reversed reading, or the ids of the frames to read first: see [`next_step`].
    ///
    /// `content` is the content of the video.
    pub fn mend_flips(
        &mut self,
        content: &str,
        readings: &HashMap<u32, Reversed>,
    ) -> (usize, Vec<u32>) {
        let all: Vec<usize> = (0..self.entries.len()).collect();
        let is_turned = |place: &usize| {
            let crop = self.entries[*place].image.crop;
            crop.is_some_and(|crop| crop.angle != 0.0)
        };
        let points = |place: &usize| {
            let detection = self.entries[*place].detected_by(&self.run);
            detection.map(|detection| positions(&detection.points))
        };
        let frames = self.videos(&all).remove(content).unwrap_or_default();
        let frames = frames.into_iter().filter(is_turned);
        let (frames, located): (Vec<usize>, Vec<_>) = frames
            .filter_map(|place| Some((place, points(&place)?)))
            .unzip();
        let reading = |place: usize| readings.get(&self.entries[place].id);
        let costs: Vec<Option<[f64; 2]>> = (frames.iter())
            .map(|&place| reading(place).map(|reading| reading.costs))
            .collect();
        match next_step(&located, &costs) {
            Step::Read(wanted) => {
                let id = |at: usize| self.entries[frames[at]].id;
                (0, wanted.into_iter().map(id).collect())
            }
            Step::Leave => (0, Vec::new()),
            Step::Mend => {
                let both = |(&place, located): (&usize, Vec<[f64; 2]>)| {
                    let entry = &self.entries[place];
                    let reversed =
                        reading(place).map(|reading| positions(&entry.points_of(reading)));
                    [located.clone(), reversed.unwrap_or(located)]
                };
                let both: Vec<_> = frames.iter().zip(located).map(both).collect();
                let costs: Vec<_> = costs.into_iter().map(Option::unwrap_or_default).collect();
                let path = mend_flips(&both, &costs);
                let flipped = frames.iter().zip(path).filter(|(_, chosen)| *chosen == 1);
                let flipped: Vec<usize> = flipped.map(|(&place, _)| place).collect();
                (self.reverse(&flipped, readings), Vec::new())
            }
        }
    }

    /// Gives frames their reversed reading; returns how many have one.
    fn reverse(&mut self, places: &[usize], readings: &HashMap<u32, Reversed>) -> usize {
        let mut mended = 0;
        for &place in places {
            let entry = &mut self.entries[place];
            let detection = entry.detected_by(&self.run);
            let (Some(reading), Some(detection)) = (readings.get(&entry.id), detection) else {
                continue;
            };
            let found = Detection {
                run: self.run.clone(),
                step: detection.step,
                points: entry.points_of(reading),
            };
            entry.image.crop = Some(reading.crop);
            entry.add_detection(found);
            self.entries_changed = true;
            mended += 1;
        }
        mended
    }

    /// Groups those of these places that are frames by the content of their video, in the order of their frames.
    fn videos(&self, places: &[usize]) -> BTreeMap<&str, Vec<usize>> {
        let mut videos: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for &place in places {
            let entry = &self.entries[place];
            if let (Some(video), Some(_)) = (&entry.video, entry.image.frame) {
                videos.entry(video).or_default().push(place);
            }
        }
        for frames in videos.values_mut() {
            frames.sort_by_key(|&place| self.entries[place].image.frame);
        }
        videos
    }
}

impl ImageEntry {
    /// Converts the keypoints of a reversed reading to points of this image.
    fn points_of(&self, reading: &Reversed) -> Vec<Point> {
        let whole = Placement::whole([self.image.width_px, self.image.height_px]);
        let found = &reading.found;
        Image::detected(String::new(), &whole, &found.keypoints, &found.confidence).points
    }
}

/// Returns the places of points, `[K][x, y]`, px of the image.
fn positions(points: &[Point]) -> Vec<[f64; 2]> {
    points
        .iter()
        .map(|point| [point.x_px, point.y_px])
        .collect()
}
