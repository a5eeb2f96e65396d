//! `autolink detect`: the keypoints of images as JSON. `annotate` and `landmarks` detect the same way.

use std::collections::BTreeMap;

use anyhow::bail;
use autolink::checkpoint::Loaded;
use autolink::data::locate::Crop;
use autolink::data::{Dataset, Placement};
use autolink::session::{self, Keypoints, Rejected, Reversed};
use autolink::words::counted;
use burn::tensor::Device;
use indicatif::ProgressBar;
use pollster::block_on;
use serde::Serialize;
use serde_json::json;

use crate::args::Detect;
use crate::files::{Gathered, Purpose};
use crate::flips;
use crate::models::{check_located, load, open};
use crate::output::Reporter;
use crate::save::{Outputs, write};

/// Number of images in memory at once.
pub const DETECT_CHUNK: usize = 256;

/// The file that `detect` writes.
#[derive(Serialize)]
struct Detected {
    /// By file name.
    images: BTreeMap<String, Keypoints>,
    /// Crops around the animal in which they were found, by file name, if it was looked for.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    crops: BTreeMap<String, Crop>,
    /// Edge weights, `[K][K]`: symmetric, with a zero diagonal.
    edges: Vec<Vec<f32>>,
    /// Files that could not be used.
    rejected: Vec<Rejected>,
}

/// An image and its keypoints.
pub struct DetectedImage {
    pub name: String,
    pub placement: Placement,
    /// As fractions of the original image.
    pub found: Keypoints,
}

impl DetectedImage {
    /// Returns the keypoints `[K][x, y]`, px of the original image.
    pub fn points_px(&self) -> Vec<[f64; 2]> {
        let sides = self.placement.original_px.map(f64::from);
        let px = |point: &[f32; 2]| [0, 1].map(|axis| f64::from(point[axis]) * sides[axis]);
        self.found.keypoints.iter().map(px).collect()
    }

    /// Returns the same image in its reversed reading.
    #[must_use]
    pub fn reread(&self, reversed: &Reversed) -> DetectedImage {
        DetectedImage {
            name: self.name.clone(),
            placement: Placement {
                crop: Some(reversed.crop),
                ..self.placement.clone()
            },
            found: reversed.found.clone(),
        }
    }
}

/// Detects the keypoints of all images, and mends swapped heads and tails of crops unless `keeps_flips`. Returns the files that could not be used as well.
///
/// # Errors
/// No file is an image.
pub fn detect_all(
    gathered: &Gathered,
    loaded: &Loaded,
    keeps_flips: bool,
    device: &Device,
    reporter: &Reporter,
) -> anyhow::Result<(Vec<DetectedImage>, Vec<Rejected>)> {
    let Loaded { model, config, .. } = loaded;
    let mut all = Vec::new();
    let mut chunk = Dataset::new(config.size);
    let mut detect_chunk = |chunk: &Dataset| -> anyhow::Result<()> {
        let found = block_on(session::detect(model, chunk, device))?;
        all.extend(
            found
                .into_iter()
                .enumerate()
                .map(|(i, found)| DetectedImage {
                    name: chunk.name(i).to_string(),
                    placement: chunk.placement(i).clone(),
                    found,
                }),
        );
        Ok(())
    };
    let rejected = gathered.read_all(config, reporter, |image| {
        chunk.push(image);
        if chunk.len() == DETECT_CHUNK {
            detect_chunk(&std::mem::replace(&mut chunk, Dataset::new(config.size)))?;
        }
        Ok(())
    })?;
    detect_chunk(&chunk)?;
    reporter.rejected(&rejected);
    if all.is_empty() {
        bail!(
            "There are no images in these files. Use PNG, JPEG, WebP, GIF or BMP files, zips of them, or videos."
        );
    }
    if !keeps_flips {
        flips::mend(&mut all, gathered, loaded, device, reporter)?;
    }
    Ok((all, rejected))
}

pub fn detect(options: &Detect, reporter: &Reporter) -> anyhow::Result<()> {
    let mut gathered = Gathered::new(&options.paths, options.frames)?;
    Outputs::new(options.force)
        .sources(gathered.sources())
        .input(&options.model)
        .file(&options.out)?;
    let device = open(options.compute.backend)?;
    let loaded = load(&options.model, &device)?;
    check_located(&loaded, options.locate);
    if options.locate {
        let margin = loaded.config.crop_margin;
        gathered.locate(
            0..gathered.names.len(),
            margin,
            Purpose::Detection,
            reporter,
        )?;
    }
    let (images, rejected) = detect_all(&gathered, &loaded, options.keep_flips, &device, reporter)?;
    let crops = (images.iter())
        .filter_map(|image| Some((image.name.clone(), image.placement.crop?)))
        .collect();
    let images: BTreeMap<_, _> = (images.into_iter())
        .map(|image| (image.name, image.found))
        .collect();
    let Loaded { model, config, .. } = loaded;
    let detected = Detected {
        edges: block_on(session::edge_weights(&model, &config))?,
        images,
        crops,
        rejected,
    };
    write(&options.out, &serde_json::to_vec(&detected)?)?;
    let count = detected.images.len();
    reporter.print(
        &ProgressBar::hidden(),
        &format!(
            "Wrote the keypoints of {} to {}.",
            counted(count, "image"),
            options.out.display()
        ),
    );
    if reporter.json {
        reporter.line(
            &json!({"type": "detected", "images": count, "out": options.out.to_string_lossy()}),
        );
    }
    Ok(())
}
