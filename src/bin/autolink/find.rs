//! `autolink detect`, `eval`, `annotate` and `landmarks`: what a model finds in images.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use autolink::annotate::edit::Table;
use autolink::annotate::formats::{self, Format};
use autolink::annotate::{self, Annotations, Imported, Point, landmarks};
use autolink::checkpoint::Loaded;
use autolink::data::{Dataset, Placement};
use autolink::error::Error;
use autolink::session::{self, Keypoints, Rejected};
use burn::tensor::Device;
use indicatif::ProgressBar;
use pollster::block_on;
use serde::Serialize;
use serde_json::json;

use crate::args::{Annotate, Detect, Discover, Eval, FewShot, Images};
use crate::exam::LabelledSet;
use crate::files::{Gathered, read_landmarks};
use crate::models::{load, open};
use crate::output::{Reporter, warn};
use crate::save::{Outputs, check_new, is_same, write};

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
struct DetectedImage {
    name: String,
    placement: Placement,
    /// As fractions of the original.
    found: Keypoints,
}

/// The keypoints of all images, and the files that are none.
fn find(
    gathered: &Gathered,
    Loaded { model, config, .. }: &Loaded,
    device: &Device,
    voice: &Reporter,
) -> anyhow::Result<(Vec<DetectedImage>, Vec<Rejected>)> {
    let mut all = Vec::new();
    let mut chunk = Dataset::new(config.size);
    let mut look = |chunk: &Dataset| -> anyhow::Result<()> {
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
    let rejected = gathered.read_all(config, voice, |picture| {
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

pub fn detect(options: &Detect, voice: &Reporter) -> anyhow::Result<()> {
    (options.paths.iter())
        .fold(Outputs::new(options.force), |outputs, path| {
            outputs.input(path)
        })
        .input(&options.model)
        .file(&options.out)?;
    let gathered = Gathered::new(&options.paths)?;
    let device = open(options.backend)?;
    let loaded = load(&options.model, &device)?;
    let (images, rejected) = find(&gathered, &loaded, &device, voice)?;
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

pub fn evaluate(options: &Eval, voice: &Reporter) -> anyhow::Result<()> {
    let landmarks = read_landmarks(&options.landmarks)?;
    let device = open(options.backend)?;
    let Loaded { model, config, .. } = load(&options.model, &device)?;
    let gathered = Gathered::new(std::slice::from_ref(&options.images))?;
    let labelled: Vec<String> = (landmarks.annotations.images.iter())
        .map(annotate::Image::name)
        .collect();
    let wanted = annotate::match_names(&labelled, &gathered.names);
    let wanted: BTreeSet<usize> = wanted.into_iter().flatten().collect();
    let mut pictures = Dataset::new(config.size);
    let rejected = gathered.read(wanted.into_iter(), &config, voice, |picture| {
        pictures.push(picture);
        Ok(())
    })?;
    voice.rejected(&rejected);
    let exam = LabelledSet {
        seed: options.seed,
        ..LabelledSet::new(&landmarks, &pictures, options.eval_fit)?
    };
    let found = block_on(session::detect(&model, &exam.pictures, &device))?;
    let score = exam.score(&found)?;
    let mut line = serde_json::to_value(&score)?;
    line["confidence_rank"] = exam.confidence_rank(&found)?.into();
    voice.line(&line);
    Ok(())
}

/// What the model finds in all pictures under these paths, and the names that were given to it.
fn discover(
    options: &Discover,
    gathered: &Gathered,
    voice: &Reporter,
) -> anyhow::Result<(Annotations, Option<Table>)> {
    rehearse(&gathered.names, options.format)?;
    // Files whose names do not depend on the images.
    let nothing = Annotations::discovered(&[]);
    for file in formats::export(&nothing, options.format).unwrap_or_default() {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    let device = open(options.backend)?;
    let loaded = load(&options.model, &device)?;
    let (images, _) = find(gathered, &loaded, &device, voice)?;
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

/// Whether images of these names can be written in this form: better to hear of two that would share a file of labels before
/// the work than after it.
fn rehearse(names: &[String], format: Format) -> anyhow::Result<()> {
    let mut annotations = Annotations::discovered(&["#ffffff".into()]);
    let image = |name: &String| {
        let whole = Placement::whole([1, 1]);
        annotate::Image::detected(name.clone(), &whole, &[[0.5; 2]], &[1.0])
    };
    annotations.images = names.iter().map(image).collect();
    formats::export(&annotations, format)?;
    Ok(())
}

fn write_annotations(
    found: &Annotations,
    gathered: &Gathered,
    options: &Discover,
    voice: &Reporter,
) -> anyhow::Result<()> {
    let files = formats::export(found, options.format)?;
    let images = options
        .images
        .unwrap_or(match options.format.holds_images() {
            true => Images::Copy,
            false => Images::None,
        });
    let paths = match options.format == Format::Png || images != Images::None {
        true => options.format.image_paths(found),
        false => Vec::new(),
    };
    let numbers: HashMap<&str, usize> = (gathered.names.iter().enumerate())
        .map(|(number, name)| (name.as_str(), number))
        .collect();
    let number = |image: &annotate::Image| {
        let number = numbers.get(image.file_name.as_str()).copied();
        number.with_context(|| format!("{} is gone", image.file_name))
    };
    // An image that lies where the tool looks for it stays as it is.
    let lies_there = |number: usize, path: &str| {
        let source = gathered.file(number);
        options.format != Format::Png
            && source.is_some_and(|source| is_same(source, &options.out.join(path)))
    };
    for file in &files {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    for (image, path) in found.images.iter().zip(&paths) {
        if !lies_there(number(image)?, path) {
            check_new(&options.out.join(path), options.force)?;
        }
    }
    let mut written = files.len();
    for file in files {
        put(&file, None, options)?;
    }
    let mut left_out = Vec::new();
    for (image, path) in found.images.iter().zip(paths) {
        let number = number(image)?;
        if lies_there(number, &path) {
            continue;
        }
        let made = (gathered.bytes(number).map_err(Error::File))
            .and_then(|bytes| formats::image_file(found, image, options.format, path, bytes));
        match made {
            Ok(made) => {
                let source = gathered.file(number).filter(|_| images == Images::Link);
                put(&made, source, options)?;
                written += 1;
            }
            Err(error) => left_out.push(Rejected {
                name: image.file_name.clone(),
                reason: error.to_string(),
            }),
        }
    }
    voice.rejected(&left_out);
    let (pictures, files, out) = (found.images.len(), written, options.out.display());
    voice.say(
        &ProgressBar::hidden(),
        &format!("Annotations of {pictures} pictures in {out}, files: {files}."),
    );
    Ok(())
}

/// Writes a file below the folder for outputs; where `source` has the same bytes, as a link to that.
fn put(file: &formats::File, source: Option<&Path>, options: &Discover) -> anyhow::Result<()> {
    let path = options.out.join(&file.path);
    check_new(&path, options.force)?;
    let folder = path.parent().unwrap_or(&options.out);
    fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made a folder", folder.display()))?;
    let is_same = |source: &&Path| fs::read(source).is_ok_and(|bytes| bytes == file.bytes);
    match source.filter(is_same) {
        Some(source) => link(source, &path)
            .with_context(|| format!("{} cannot be linked, try --images copy", path.display())),
        None => write(&path, &file.bytes),
    }
}

/// Makes `path` another name of `source`, or where that lies on another disk a symbolic link to it.
fn link(source: &Path, path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    let linked = fs::hard_link(source, path);
    #[cfg(unix)]
    let linked = linked.or_else(|_| std::os::unix::fs::symlink(source.canonicalize()?, path));
    linked
}

pub fn annotate(options: &Annotate, voice: &Reporter) -> anyhow::Result<()> {
    let against = options.against.as_deref().map(read_landmarks).transpose()?;
    let gathered = Gathered::new(&options.discover.paths)?;
    let (found, names) = discover(&options.discover, &gathered, voice)?;
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
    write_annotations(&named, &gathered, &options.discover, voice)
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

pub fn landmarks(options: &FewShot, voice: &Reporter) -> anyhow::Result<()> {
    let table = read_landmarks(&options.landmarks)?;
    let gathered = Gathered::new(&options.discover.paths)?;
    let (found, _) = discover(&options.discover, &gathered, voice)?;
    let placed = placed(&table, &found);
    let fit = landmarks::Fit::new(&found, &placed)?;
    for landmark in &fit.landmarks {
        voice.line(&serde_json::to_value(landmark)?);
    }
    let annotations = fit.annotate(&found, &placed)?;
    write_annotations(&annotations, &gathered, &options.discover, voice)
}
