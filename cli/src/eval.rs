//! `autolink eval`: how well keypoints predict landmarks.

use std::collections::BTreeSet;

use autolink::annotate;
use autolink::checkpoint::Loaded;
use autolink::data::Dataset;
use autolink::session;
use pollster::block_on;

use crate::args::{Eval, FrameChoice};
use crate::files::{Gathered, Purpose, read_landmarks};
use crate::labelled::LabelledSet;
use crate::models::{check_located, load, open};
use crate::output::Reporter;

pub fn evaluate(options: &Eval, reporter: &Reporter) -> anyhow::Result<()> {
    let landmarks = read_landmarks(&options.landmarks)?;
    let device = open(options.compute.backend)?;
    let loaded = load(&options.model, &device)?;
    check_located(&loaded, options.locate);
    let Loaded { model, config, .. } = loaded;
    let mut gathered = Gathered::new(
        std::slice::from_ref(&options.images),
        FrameChoice::default(),
    )?;
    let names: Vec<String> = (landmarks.annotations.images.iter())
        .map(annotate::Image::name)
        .collect();
    let wanted = annotate::match_names(&names, &gathered.names);
    let wanted: BTreeSet<usize> = wanted.into_iter().flatten().collect();
    if options.locate && !wanted.is_empty() {
        gathered.locate(
            wanted.iter().copied(),
            config.crop_margin,
            Purpose::Detection,
            reporter,
        )?;
    }
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
    if let Some(error_px) = labelled.error_px(&score) {
        line["error_px"] = error_px.into();
    }
    line["confidence_rank"] = labelled.confidence_rank(&found)?.into();
    reporter.line(&line);
    Ok(())
}
