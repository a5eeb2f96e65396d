//! Flips: crops in which head and tail were taken for each other. They are mended by the reading that the model
//! reconstructs better; in videos consistently over time.

use std::collections::{BTreeMap, HashMap};

use autolink::checkpoint::Loaded;
use autolink::data::Dataset;
use autolink::data::locate::{Step, mend_flips, next_step};
use autolink::session::{self, Reversed};
use autolink::words::counted;
use burn::tensor::Device;
use pollster::block_on;
use serde_json::json;

use crate::detect::{DETECT_CHUNK, DetectedImage};
use crate::files::Gathered;
use crate::output::{Reporter, warn};

/// Mends flips in detected images, and tells how many there were in each video, and in the images together.
///
/// # Errors
/// The device does not answer.
pub fn mend(
    images: &mut [DetectedImage],
    gathered: &Gathered,
    loaded: &Loaded,
    device: &Device,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let numbers: HashMap<&str, usize> =
        gathered.names.iter().map(String::as_str).zip(0..).collect();
    // Positions in `images`, by number: the turned frames of each video, in order, and separate images whose head is uncertain.
    let mut videos: BTreeMap<usize, BTreeMap<usize, usize>> = BTreeMap::new();
    let mut uncertain = BTreeMap::new();
    for (at, image) in images.iter().enumerate() {
        let index = numbers[&*image.name];
        let is_turned = image.placement.crop.is_some_and(|crop| crop.angle != 0.0);
        match gathered.video_of(index) {
            Some(video) if is_turned => _ = videos.entry(video).or_default().insert(index, at),
            None if gathered.is_head_uncertain(index) => _ = uncertain.insert(index, at),
            _ => {}
        }
    }
    let read = |wanted: &[usize]| read_reversed(wanted, gathered, loaded, device, reporter);
    for (video, frames) in videos {
        let (indices, places): (Vec<usize>, Vec<usize>) = frames.into_iter().unzip();
        let track: Vec<_> = places.iter().map(|&at| images[at].points_px()).collect();
        let mut readings: HashMap<usize, Reversed> = HashMap::new();
        let costs = |readings: &HashMap<usize, Reversed>| -> Vec<Option<[f64; 2]>> {
            let costs = |index| readings.get(index).map(|reading| reading.costs);
            indices.iter().map(costs).collect()
        };
        let mut step = next_step(&track, &costs(&readings));
        let mut asked = 0;
        while let Step::Read(wanted) = &step {
            if wanted.len() + readings.len() <= asked {
                break; // some frames cannot be decoded again
            }
            asked = wanted.len() + readings.len();
            let wanted: Vec<usize> = wanted.iter().map(|&i| indices[i]).collect();
            readings.extend(read(&wanted)?);
            step = next_step(&track, &costs(&readings));
        }
        if step == Step::Leave {
            continue;
        }
        let both = |(located, (index, &at)): (Vec<[f64; 2]>, (&usize, &usize))| {
            let reversed = readings
                .get(index)
                .map(|r| images[at].reread(r).points_px());
            [located.clone(), reversed.unwrap_or(located)]
        };
        let both: Vec<_> = track
            .into_iter()
            .zip(indices.iter().zip(&places))
            .map(both)
            .collect();
        let costs: Vec<_> = costs(&readings)
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        let mut mended = 0;
        for (i, chosen) in mend_flips(&both, &costs).into_iter().enumerate() {
            if let (1, Some(reading)) = (chosen, readings.get(&indices[i])) {
                images[places[i]] = images[places[i]].reread(reading);
                mended += 1;
            }
        }
        tell(mended, "frame", &gathered.videos[video].name, reporter);
    }
    let mut mended = 0;
    for (index, reading) in read(&uncertain.keys().copied().collect::<Vec<_>>())? {
        if reading.is_better() {
            let at = uncertain[&index];
            images[at] = images[at].reread(&reading);
            mended += 1;
        }
    }
    tell(mended, "image", "these images", reporter);
    Ok(())
}

/// Reads images in reverse, by their numbers.
fn read_reversed(
    wanted: &[usize],
    gathered: &Gathered,
    loaded: &Loaded,
    device: &Device,
    reporter: &Reporter,
) -> anyhow::Result<HashMap<usize, Reversed>> {
    let numbers: HashMap<&str, usize> =
        gathered.names.iter().map(String::as_str).zip(0..).collect();
    let Loaded { model, config, .. } = loaded;
    let mut readings = HashMap::new();
    let mut read_chunk = |chunk: &Dataset| -> anyhow::Result<()> {
        let found = block_on(session::read_reversed(model, config, chunk, device))?;
        for (i, reading) in found.into_iter().enumerate() {
            readings.extend(reading.map(|reading| (numbers[chunk.name(i)], reading)));
        }
        Ok(())
    };
    let mut chunk = Dataset::new(config.size);
    // What cannot be read was reported before.
    gathered.read(wanted.iter().copied(), config, reporter, |image| {
        chunk.push(image);
        if chunk.len() == DETECT_CHUNK {
            read_chunk(&std::mem::replace(&mut chunk, Dataset::new(config.size)))?;
        }
        Ok(())
    })?;
    read_chunk(&chunk)?;
    Ok(readings)
}

fn tell(mended: usize, noun: &str, source: &str, reporter: &Reporter) {
    if mended == 0 {
        return;
    }
    if reporter.json {
        reporter.line(&json!({"type": "mended", "name": source, "images": mended}));
    } else {
        let count = counted(mended, noun);
        warn(&format!(
            "Head and tail were swapped in {count} of {source}, which is mended. `--keep-flips` leaves them swapped."
        ));
    }
}
