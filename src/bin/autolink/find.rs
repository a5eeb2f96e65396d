//! `autolink detect`, `eval`, `annotate` and `landmarks`: what a model finds in images.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use autolink::annotate::edit::Table;
use autolink::annotate::formats::{self, Format};
use autolink::annotate::{self, Annotations, Imported, Point, landmarks};
use autolink::checkpoint::Loaded;
use autolink::data::{Dataset, Placement, archive};
use autolink::session::{self, Keypoints, Rejected};
use burn::tensor::Device;
use indicatif::ProgressBar;
use pollster::block_on;
use serde::Serialize;
use serde_json::json;

use crate::args::{Annotate, Detect, Discover, Eval, FewShot};
use crate::exam::Exam;
use crate::files::{files_under, read, read_landmarks, read_pictures};
use crate::models::{load, open};
use crate::output::{Voice, warn};
use crate::save::{Outputs, check_new, write};

/// Pictures decoded at once when they are only looked at.
const DETECT_CHUNK: usize = 256;

/// The file that `detect` writes.
#[derive(Serialize)]
struct Found {
    /// By the file's name.
    images: BTreeMap<String, Keypoints>,
    /// `[K][K]`, symmetric, zero diagonal.
    edges: Vec<Vec<f32>>,
    /// Files that could not be used.
    rejected: Vec<Rejected>,
}

/// A picture that was looked at.
struct Seen {
    name: String,
    placement: Placement,
    /// As fractions of the original.
    found: Keypoints,
}

/// The keypoints of all pictures under these paths, and the files that are none.
fn find(
    paths: &[PathBuf],
    Loaded { model, config, .. }: &Loaded,
    device: &Device,
    voice: &Voice,
) -> anyhow::Result<(Vec<Seen>, Vec<Rejected>)> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_under(path)?);
    }
    let mut all = Vec::new();
    let mut chunk = Dataset::new(config.size);
    let mut look = |chunk: &Dataset| -> anyhow::Result<()> {
        let found = block_on(session::detect(model, chunk, device))?;
        all.extend(found.into_iter().enumerate().map(|(i, found)| Seen {
            name: chunk.name(i).to_string(),
            placement: chunk.placement(i).clone(),
            found,
        }));
        Ok(())
    };
    let rejected = read_pictures(&files, config, voice, |picture| {
        chunk.push(picture);
        if chunk.len() == DETECT_CHUNK {
            look(&std::mem::replace(&mut chunk, Dataset::new(config.size)))?;
        }
        Ok(())
    })?;
    look(&chunk)?;
    voice.rejected(&rejected);
    if all.is_empty() {
        bail!("None of the files is a picture.");
    }
    Ok((all, rejected))
}

pub fn detect(options: &Detect, voice: &Voice) -> anyhow::Result<()> {
    (options.paths.iter())
        .fold(Outputs::new(options.force), |outputs, path| {
            outputs.input(path)
        })
        .input(&options.model)
        .file(&options.out)?;
    let device = open(options.backend)?;
    let loaded = load(&options.model, &device)?;
    let (images, rejected) = find(&options.paths, &loaded, &device, voice)?;
    let images: BTreeMap<_, _> = (images.into_iter())
        .map(|seen| (seen.name, seen.found))
        .collect();
    let Loaded { model, config, .. } = loaded;
    let found = Found {
        edges: block_on(session::edge_weights(&model, &config))?,
        images,
        rejected,
    };
    write(&options.out, &serde_json::to_vec(&found)?)?;
    let count = found.images.len();
    voice.say(
        &ProgressBar::hidden(),
        &format!(
            "Keypoints of {count} pictures in {}.",
            options.out.display()
        ),
    );
    if voice.json {
        voice.line(
            &json!({"type": "detected", "images": count, "out": options.out.to_string_lossy()}),
        );
    }
    Ok(())
}

pub fn evaluate(options: &Eval, voice: &Voice) -> anyhow::Result<()> {
    let landmarks = read_landmarks(&options.landmarks)?;
    let device = open(options.backend)?;
    let Loaded { model, config, .. } = load(&options.model, &device)?;
    let files = files_under(&options.images)?;
    let names: Vec<String> = files.iter().map(|(name, _)| name.clone()).collect();
    let labelled: Vec<String> = (landmarks.annotations.images.iter())
        .map(annotate::Image::picture_name)
        .collect();
    let found: HashSet<usize> = (annotate::match_names(&labelled, &names).into_iter())
        .flatten()
        .collect();
    let wanted: Vec<_> = (files.into_iter().enumerate())
        .filter(|(i, (name, _))| name.ends_with(".zip") || found.contains(i))
        .map(|(_, file)| file)
        .collect();
    let mut pictures = Dataset::new(config.size);
    let rejected = read_pictures(&wanted, &config, voice, |picture| {
        pictures.push(picture);
        Ok(())
    })?;
    voice.rejected(&rejected);
    let exam = Exam {
        seed: options.seed,
        ..Exam::new(&landmarks, &pictures, options.eval_fit)?
    };
    let found = block_on(session::detect(&model, &exam.pictures, &device))?;
    let score = exam.score(&found)?;
    let mut line = serde_json::to_value(&score)?;
    line["confidence_rank"] = exam.confidence_rank(&found)?.into();
    voice.line(&line);
    Ok(())
}

/// What the model finds in all pictures under these paths, and the names that were given to it.
fn discover(options: &Discover, voice: &Voice) -> anyhow::Result<(Annotations, Option<Table>)> {
    // Files whose names do not depend on the images.
    let nothing = Annotations::discovered(&[]);
    for file in formats::export(&nothing, options.format).unwrap_or_default() {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    let device = open(options.backend)?;
    let loaded = load(&options.model, &device)?;
    let (images, _) = find(&options.paths, &loaded, &device, voice)?;
    let Loaded {
        model,
        config,
        names,
        ..
    } = loaded;
    let mut found = block_on(session::discovered(&model, &config))?;
    found.images = (images.into_iter())
        .map(|seen| {
            let whole = seen.placement.as_whole();
            let Keypoints {
                keypoints,
                confidence,
            } = seen.found;
            annotate::Image::detected(seen.name, &whole, &keypoints, &confidence)
        })
        .collect();
    Ok((found, names))
}

fn write_annotations(found: &Annotations, options: &Discover, voice: &Voice) -> anyhow::Result<()> {
    let mut written = 0;
    let mut write_one = |file: &formats::File| -> anyhow::Result<()> {
        let path = options.out.join(&file.path);
        check_new(&path, options.force)?;
        let folder = path.parent().unwrap_or(&options.out);
        fs::create_dir_all(folder)
            .with_context(|| format!("{} cannot be made a folder", folder.display()))?;
        written += 1;
        write(&path, &file.bytes)
    };
    let files = formats::export(found, options.format)?;
    for file in &files {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    files.iter().try_for_each(&mut write_one)?;
    if options.format == Format::Png {
        let images: HashMap<&str, &annotate::Image> = (found.images.iter())
            .map(|image| (image.file_name.as_str(), image))
            .collect();
        for path in &options.paths {
            for (name, path) in files_under(path)? {
                for (name, bytes) in archive::entries(name, read(&path)?) {
                    if let (Some(image), Ok(bytes)) = (images.get(name.as_str()), bytes) {
                        write_one(&formats::png::overlay(found, image, &bytes)?)?;
                    }
                }
            }
        }
    }
    let (pictures, files, out) = (found.images.len(), written, options.out.display());
    voice.say(
        &ProgressBar::hidden(),
        &format!("Annotations of {pictures} pictures in {out}, files: {files}."),
    );
    Ok(())
}

pub fn annotate(options: &Annotate, voice: &Voice) -> anyhow::Result<()> {
    let against = options.against.as_deref().map(read_landmarks).transpose()?;
    let (found, names) = discover(&options.discover, voice)?;
    let named = match names {
        Some(names) => names.apply(&found)?,
        None => found,
    };
    if let Some(table) = against {
        let agreements = landmarks::agreement(&named, &placed(&table, &named));
        if agreements.is_empty() {
            let names: Vec<&str> = (table.annotations.keypoints.iter())
                .map(|keypoint| keypoint.name.as_str())
                .collect();
            bail!(
                "The model has no keypoint called {} on these pictures: name its keypoints on the page first.",
                names.join(", ")
            );
        }
        for agreement in agreements {
            voice.line(&serde_json::to_value(agreement)?);
        }
    }
    write_annotations(&named, &options.discover, voice)
}

/// The labels on those of their images that are here; tells what of them could not be used.
fn placed(labels: &Imported, found: &Annotations) -> Annotations {
    let placed = labels.onto(&found.images);
    warn(&placed.summary);
    placed.notes.iter().for_each(|note| warn(note));
    let on_image = |(at, points): (usize, Vec<Point>)| annotate::Image {
        points,
        ..found.images[at].clone()
    };
    Annotations {
        images: placed.images.into_iter().map(on_image).collect(),
        edge_weights: Vec::new(),
        edge_threshold: None,
        ..labels.annotations.clone()
    }
}

pub fn landmarks(options: &FewShot, voice: &Voice) -> anyhow::Result<()> {
    let table = read_landmarks(&options.landmarks)?;
    let (found, _) = discover(&options.discover, voice)?;
    let placed = placed(&table, &found);
    let fit = landmarks::Fit::new(&found, &placed)?;
    for landmark in &fit.landmarks {
        voice.line(&serde_json::to_value(landmark)?);
    }
    write_annotations(&fit.annotate(&found, &placed)?, &options.discover, voice)
}
