//! `autolink eval`: how well keypoints predict landmarks.

use std::collections::BTreeSet;

use autolink::annotate;
use autolink::checkpoint::Loaded;
use autolink::data::Dataset;
use autolink::session;
use pollster::block_on;

use crate::args::{Eval, FrameChoice};
use crate::files::{Gathered, read_landmarks};
use crate::labelled::LabelledSet;
use crate::models::{load, open};
use crate::output::Reporter;

pub fn evaluate(options: &Eval, reporter: &Reporter) -> anyhow::Result<()> {
    let landmarks = read_landmarks(&options.landmarks)?;
    let device = open(options.compute.backend)?;
    let Loaded { model, config, .. } = load(&options.model, &device)?;
    let gathered = Gathered::new(
        std::slice::from_ref(&options.images),
        FrameChoice::default(),
    )?;
    let names: Vec<String> = (landmarks.annotations.images.iter())
        .map(annotate::Image::name)
        .collect();
    let wanted = annotate::match_names(&names, &gathered.names);
    let wanted: BTreeSet<usize> = wanted.into_iter().flatten().collect();
    let mut images = Dataset::new(config.size);
    let rejected = gathered.read(wanted.into_iter(), &config, reporter, |image| {
        images.push(image);
        Ok(())
    })?;
    reporter.rejected(&rejected);
    let labelled = LabelledSet {
        seed: options.seed,
        ..LabelledSet::new(&landmarks, &images, options.eval_fit)?
    };
    let found = block_on(session::detect(&model, &labelled.images, &device))?;
    let score = labelled.score(&found)?;
    let mut line = serde_json::to_value(&score)?;
    line["confidence_rank"] = labelled.confidence_rank(&found)?.into();
    reporter.line(&line);
    Ok(())
}
