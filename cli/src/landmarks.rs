//! `autolink landmarks`: named landmarks on all images, learned from a few labelled images.

use std::process::ExitCode;

use autolink::annotate::landmarks;

use crate::annotate::{check_labels, detect_annotations, labels_on, outputs, write_annotations};
use crate::args::Landmarks;
use crate::files::{Gathered, read_landmarks};
use crate::output::Reporter;

pub fn landmarks(options: &Landmarks, reporter: &Reporter) -> anyhow::Result<ExitCode> {
    let table = read_landmarks(&options.landmarks)?;
    let mut gathered = Gathered::new(&options.discover.paths, options.discover.frames)?;
    check_labels(&table, &gathered)?;
    let outputs = outputs(&options.discover, &gathered).input(&options.landmarks);
    let (detected, _) = detect_annotations(&options.discover, &mut gathered, &outputs, reporter)?;
    let labels = labels_on(&table, &detected);
    let fit = landmarks::Fit::new(&detected, &labels)?;
    for landmark in &fit.landmarks {
        reporter.line(&serde_json::to_value(landmark)?);
    }
    let annotations = fit.annotate(&detected, &labels)?;
    write_annotations(
        &annotations,
        &gathered,
        &options.discover,
        &outputs,
        reporter,
    )
}
