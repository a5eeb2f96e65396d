//! `autolink annotate`: detected keypoints in the format of an annotation tool.

mod video;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use autolink::annotate::edit::Table;
use autolink::annotate::formats::{self, Format};
use autolink::annotate::motion::{self, Motion, OneEuro};
use autolink::annotate::{self, Annotations, Imported, Point, landmarks};
use autolink::checkpoint::Loaded;
use autolink::data::Placement;
use autolink::error::Error;
use autolink::session::{self, Keypoints, Rejected};
use autolink::words::counted;
use indicatif::ProgressBar;
use pollster::block_on;

use crate::args::{Annotate, Discover, Images, Written};
use crate::detect::detect_all;
use crate::files::{Gathered, Purpose, read_landmarks};
use crate::models::{check_located, load, open};
use crate::output::{Reporter, warn};
use crate::save::{Outputs, check_folder, is_same, write};

/// Name of the table of motion.
const MOTION: &str = "motion.csv";

pub fn annotate(options: &Annotate, reporter: &Reporter) -> anyhow::Result<ExitCode> {
    let against = options.against.as_deref().map(read_landmarks).transpose()?;
    let mut gathered = Gathered::new(&options.discover.paths, options.discover.frames)?;
    let mut outputs = outputs(&options.discover, &gathered);
    if let (Some(path), Some(table)) = (&options.against, &against) {
        outputs = outputs.input(path);
        check_labels(table, &gathered)?;
    }
    let (detected, names) =
        detect_annotations(&options.discover, &mut gathered, &outputs, reporter)?;
    let names = match options.parts {
        Some(parts) => {
            let table = names.unwrap_or_else(|| Table::new(&detected));
            Some(table.cut(&detected.edge_weights, parts.into()))
        }
        None => names,
    };
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
    write_annotations(&named, &gathered, &options.discover, &outputs, reporter)
}

/// Plans the outputs of a command that writes annotations.
pub fn outputs(options: &Discover, gathered: &Gathered) -> Outputs {
    Outputs::new(options.force)
        .input(&options.model)
        .sources(gathered.sources())
}

/// Checks before any work that labels are of some of the images.
///
/// # Errors
/// They are of none of them.
pub fn check_labels(table: &Imported, gathered: &Gathered) -> anyhow::Result<()> {
    let labelled: Vec<String> = (table.annotations.images.iter())
        .map(annotate::Image::name)
        .collect();
    let matches = annotate::match_names(&labelled, &gathered.names);
    if let (Some(first), true) = (labelled.first(), matches.iter().all(Option::is_none)) {
        bail!(
            "The labels are of other images: none of these is called {first}, for example. Check the names in the file of labels."
        );
    }
    Ok(())
}

/// Detects the keypoints of all images, located as `--locate` says, and returns the names that a person gave to them as well.
pub fn detect_annotations(
    options: &Discover,
    gathered: &mut Gathered,
    outputs: &Outputs,
    reporter: &Reporter,
) -> anyhow::Result<(Annotations, Option<Table>)> {
    check_folder(&options.out)?;
    check_files(options, gathered, outputs)?;
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
    let (images, _) = detect_all(gathered, &loaded, options.keep_flips, &device, reporter)?;
    let Loaded {
        model,
        config,
        names,
        ..
    } = loaded;
    let mut annotations = block_on(session::discovered(&model, &config))?;
    let numbers = numbers(gathered);
    annotations.images = (images.into_iter())
        .map(|image| {
            let whole = image.placement.as_whole();
            let Keypoints {
                keypoints,
                confidence,
            } = image.found;
            let number = numbers[image.name.as_str()];
            let crop = image.placement.crop;
            let image = annotate::Image {
                crop,
                ..annotate::Image::detected(image.name, &whole, &keypoints, &confidence)
            };
            gathered.with_origin(number, image)
        })
        .collect();
    Ok((annotations, names))
}

/// Returns the number of each image by its name.
fn numbers(gathered: &Gathered) -> HashMap<&str, usize> {
    let names = gathered.names.iter().map(String::as_str);
    names.zip(0..).collect()
}

/// Checks before any work that images of these names can be exported, and that no file is replaced that should stay.
///
/// # Errors
/// Two images would share a file of labels; a file exists and there is no `--force`, or is an input.
fn check_files(options: &Discover, gathered: &Gathered, outputs: &Outputs) -> anyhow::Result<()> {
    let format = match options.format {
        Written::Files(format) => format,
        Written::Video => return video::check(options, gathered, outputs),
        Written::Motion => {
            video::check_videos(gathered)?;
            return outputs.check(&options.out.join(MOTION));
        }
    };
    let mut annotations = Annotations::discovered(&["#ffffff".into()]);
    let image = |(number, name): (usize, &String)| {
        let whole = Placement::whole([1, 1]);
        let image = annotate::Image::detected(name.clone(), &whole, &[[0.5; 2]], &[1.0]);
        gathered.with_origin(number, image)
    };
    annotations.images = gathered.names.iter().enumerate().map(image).collect();
    for file in formats::export(&annotations, format)? {
        outputs.check(&options.out.join(&file.path))?;
    }
    for (number, path) in image_paths(&annotations, format, options)
        .iter()
        .enumerate()
    {
        if !is_in_place(gathered, number, path, format, options) {
            outputs.check(&options.out.join(path))?;
        }
    }
    Ok(())
}

/// Returns how the images are put beside their labels.
fn images(format: Format, options: &Discover) -> Images {
    let default = match format.holds_images() {
        true => Images::Copy,
        false => Images::None,
    };
    options.images.unwrap_or(default)
}

/// Returns where each image goes, relative to the output folder; nothing if the images stay where they are.
fn image_paths(annotations: &Annotations, format: Format, options: &Discover) -> Vec<String> {
    match format == Format::Png || images(format, options) != Images::None {
        true => format.image_paths(annotations),
        false => Vec::new(),
    }
}

/// Checks whether an image is already where the tool looks for it; then it stays as it is.
fn is_in_place(
    gathered: &Gathered,
    number: usize,
    path: &str,
    format: Format,
    options: &Discover,
) -> bool {
    format != Format::Png
        && (gathered.file(number)).is_some_and(|source| is_same(source, &options.out.join(path)))
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

/// Writes annotations as `--format` says, smoothed if that is asked for.
///
/// # Errors
/// A file cannot be written.
pub fn write_annotations(
    annotations: &Annotations,
    gathered: &Gathered,
    options: &Discover,
    outputs: &Outputs,
    reporter: &Reporter,
) -> anyhow::Result<ExitCode> {
    let annotations = &match options.smooth {
        true => Cow::Owned(motion::smoothed(annotations, OneEuro::MODERATE)),
        false => Cow::Borrowed(annotations),
    };
    match options.format {
        Written::Files(format) => {
            write_files(annotations, format, gathered, options, outputs, reporter)?;
        }
        Written::Motion => write_motion(annotations, options, outputs, reporter)?,
        Written::Video => return video::write(annotations, gathered, options, outputs, reporter),
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the table of motion.
fn write_motion(
    annotations: &Annotations,
    options: &Discover,
    outputs: &Outputs,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let motions = Motion::from_annotations(annotations, None);
    let table = motion::csv(&motions, &motion::skeleton_measures(annotations))?;
    let file = formats::File::text(MOTION, table);
    put(&file, None, options, outputs)?;
    let path = options.out.join(MOTION);
    reporter.print(
        &ProgressBar::hidden(),
        &format!(
            "Wrote the motion in {} to {}.",
            counted(motions.len(), "video"),
            path.display()
        ),
    );
    Ok(())
}

/// Writes the files of an annotation tool and, as `--images` says, their images.
fn write_files(
    annotations: &Annotations,
    format: Format,
    gathered: &Gathered,
    options: &Discover,
    outputs: &Outputs,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let files = formats::export(annotations, format)?;
    let paths = image_paths(annotations, format, options);
    let numbers = numbers(gathered);
    let number = |image: &annotate::Image| {
        let number = numbers.get(image.name().as_str()).copied();
        number.with_context(|| format!("{} is missing", image.name()))
    };
    let mut written = files.len();
    for file in files {
        put(&file, None, options, outputs)?;
    }
    let (mut rejected, mut reader) = (Vec::new(), gathered.reader());
    for (image, path) in annotations.images.iter().zip(paths) {
        let number = number(image)?;
        if is_in_place(gathered, number, &path, format, options) {
            continue;
        }
        let made = (reader.bytes(number).map_err(Error::File))
            .and_then(|bytes| formats::image_file(annotations, image, format, path, bytes));
        match made {
            Ok(made) => {
                let source = gathered
                    .file(number)
                    .filter(|_| images(format, options) == Images::Link);
                put(&made, source, options, outputs)?;
                written += 1;
            }
            Err(error) => rejected.push(Rejected {
                name: image.name(),
                reason: error.to_string(),
            }),
        }
    }
    reporter.rejected(&rejected);
    let (count, out) = (annotations.images.len(), options.out.display());
    reporter.print(
        &ProgressBar::hidden(),
        &format!(
            "Wrote the annotations of {} to {out}, in {}.",
            counted(count, "image"),
            counted(written, "file")
        ),
    );
    Ok(())
}

/// Writes a file below the output folder, as a link to `source` if that has the same bytes.
fn put(
    file: &formats::File,
    source: Option<&Path>,
    options: &Discover,
    outputs: &Outputs,
) -> anyhow::Result<()> {
    let path = options.out.join(&file.path);
    outputs.check(&path)?;
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
