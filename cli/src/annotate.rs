//! `autolink annotate`: detected keypoints in the format of an annotation tool.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use autolink::annotate::edit::Table;
use autolink::annotate::formats::{self, Format};
use autolink::annotate::{self, Annotations, Imported, Point, landmarks};
use autolink::checkpoint::Loaded;
use autolink::data::Placement;
use autolink::error::Error;
use autolink::session::{self, Keypoints, Rejected};
use indicatif::ProgressBar;
use pollster::block_on;

use crate::args::{Annotate, Discover, Images};
use crate::detect::detect_all;
use crate::files::{Gathered, read_landmarks};
use crate::models::{load, open};
use crate::output::{Reporter, warn};
use crate::save::{check_new, is_same, write};

pub fn annotate(options: &Annotate, reporter: &Reporter) -> anyhow::Result<()> {
    let against = options.against.as_deref().map(read_landmarks).transpose()?;
    let gathered = Gathered::new(&options.discover.paths)?;
    let (detected, names) = detect_annotations(&options.discover, &gathered, reporter)?;
    let named = match names {
        Some(names) => names.apply(&detected)?,
        None => detected,
    };
    if let Some(table) = against {
        let agreements = landmarks::agreement(&named, &labels_on(&table, &named));
        if agreements.is_empty() {
            let names: Vec<&str> = (table.annotations.keypoints.iter())
                .map(|keypoint| keypoint.name.as_str())
                .collect();
            bail!(
                "The model has no keypoint called {} on these images. Name its keypoints on the page first.",
                names.join(", ")
            );
        }
        for agreement in agreements {
            reporter.line(&serde_json::to_value(agreement)?);
        }
    }
    write_annotations(&named, &gathered, &options.discover, reporter)
}

/// Detects the keypoints of all images, and returns the names that a person gave to them as well.
pub fn detect_annotations(
    options: &Discover,
    gathered: &Gathered,
    reporter: &Reporter,
) -> anyhow::Result<(Annotations, Option<Table>)> {
    check_names(&gathered.names, options.format)?;
    // Some files have the same name whatever the images are.
    let nothing = Annotations::discovered(&[]);
    for file in formats::export(&nothing, options.format).unwrap_or_default() {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    let device = open(options.backend)?;
    let loaded = load(&options.model, &device)?;
    let (images, _) = detect_all(gathered, &loaded, &device, reporter)?;
    let Loaded {
        model,
        config,
        names,
        ..
    } = loaded;
    let mut annotations = block_on(session::discovered(&model, &config))?;
    annotations.images = (images.into_iter())
        .map(|image| {
            let whole = image.placement.as_whole();
            let Keypoints {
                keypoints,
                confidence,
            } = image.found;
            annotate::Image::detected(image.name, &whole, &keypoints, &confidence)
        })
        .collect();
    Ok((annotations, names))
}

/// Checks before any work that images of these names can be exported.
///
/// # Errors
/// Two images would share a file of labels.
fn check_names(names: &[String], format: Format) -> anyhow::Result<()> {
    let mut annotations = Annotations::discovered(&["#ffffff".into()]);
    let image = |name: &String| {
        let whole = Placement::whole([1, 1]);
        annotate::Image::detected(name.clone(), &whole, &[[0.5; 2]], &[1.0])
    };
    annotations.images = names.iter().map(image).collect();
    formats::export(&annotations, format)?;
    Ok(())
}

/// Returns the labels of those images that are in `detected`; warns about labels that could not be used.
pub fn labels_on(labels: &Imported, detected: &Annotations) -> Annotations {
    let placed = labels.onto(&detected.images);
    warn(&placed.summary);
    placed.notes.iter().for_each(|note| warn(note));
    let on_image = |(at, points): (usize, Vec<Point>)| annotate::Image {
        points,
        ..detected.images[at].clone()
    };
    Annotations {
        images: placed.images.into_iter().map(on_image).collect(),
        edge_weights: Vec::new(),
        edge_threshold: None,
        ..labels.annotations.clone()
    }
}

/// Writes annotations and, as `--images` says, their images.
pub fn write_annotations(
    annotations: &Annotations,
    gathered: &Gathered,
    options: &Discover,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let files = formats::export(annotations, options.format)?;
    let images = options
        .images
        .unwrap_or(match options.format.holds_images() {
            true => Images::Copy,
            false => Images::None,
        });
    let paths = match options.format == Format::Png || images != Images::None {
        true => options.format.image_paths(annotations),
        false => Vec::new(),
    };
    let numbers: HashMap<&str, usize> = (gathered.names.iter().enumerate())
        .map(|(number, name)| (name.as_str(), number))
        .collect();
    let number = |image: &annotate::Image| {
        let number = numbers.get(image.file_name.as_str()).copied();
        number.with_context(|| format!("{} is missing", image.file_name))
    };
    // An image that is already where the tool looks for it stays as it is.
    let is_in_place = |number: usize, path: &str| {
        let source = gathered.file(number);
        options.format != Format::Png
            && source.is_some_and(|source| is_same(source, &options.out.join(path)))
    };
    for file in &files {
        check_new(&options.out.join(&file.path), options.force)?;
    }
    for (image, path) in annotations.images.iter().zip(&paths) {
        if !is_in_place(number(image)?, path) {
            check_new(&options.out.join(path), options.force)?;
        }
    }
    let mut written = files.len();
    for file in files {
        put(&file, None, options)?;
    }
    let mut rejected = Vec::new();
    for (image, path) in annotations.images.iter().zip(paths) {
        let number = number(image)?;
        if is_in_place(number, &path) {
            continue;
        }
        let made = (gathered.bytes(number).map_err(Error::File))
            .and_then(|bytes| formats::image_file(annotations, image, options.format, path, bytes));
        match made {
            Ok(made) => {
                let source = gathered.file(number).filter(|_| images == Images::Link);
                put(&made, source, options)?;
                written += 1;
            }
            Err(error) => rejected.push(Rejected {
                name: image.file_name.clone(),
                reason: error.to_string(),
            }),
        }
    }
    reporter.rejected(&rejected);
    let (count, out) = (annotations.images.len(), options.out.display());
    reporter.print(
        &ProgressBar::hidden(),
        &format!("Wrote the annotations of {count} images to {out}, in {written} files."),
    );
    Ok(())
}

/// Writes a file below the output folder, as a link to `source` if that has the same bytes.
fn put(file: &formats::File, source: Option<&Path>, options: &Discover) -> anyhow::Result<()> {
    let path = options.out.join(&file.path);
    check_new(&path, options.force)?;
    let folder = path.parent().unwrap_or(&options.out);
    fs::create_dir_all(folder)
        .with_context(|| format!("The folder {} cannot be created", folder.display()))?;
    let has_same_bytes = |source: &&Path| fs::read(source).is_ok_and(|bytes| bytes == file.bytes);
    match source.filter(has_same_bytes) {
        Some(source) => link(source, &path)
            .with_context(|| format!("{} cannot be linked (try --images copy)", path.display())),
        None => write(&path, &file.bytes),
    }
}

/// Makes `path` a hard link to `source` or, where that is on another disk, a symbolic link.
fn link(source: &Path, path: &Path) -> std::io::Result<()> {
    if fs::symlink_metadata(path).is_ok() {
        fs::remove_file(path)?;
    }
    let linked = fs::hard_link(source, path);
    #[cfg(unix)]
    let linked = linked.or_else(|_| std::os::unix::fs::symlink(source.canonicalize()?, path));
    linked
}
