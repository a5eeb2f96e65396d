//! The report of the benchmark, as JSON and as Markdown tables.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::findings::Run;

/// Everything that a run of the benchmark measured.
#[derive(Default, Serialize, Deserialize)]
pub struct Report {
    /// A trial with few shapes and small batches, whose figures are not to be kept.
    pub quick: bool,
    pub runs: Vec<Run>,
    /// Training steps of other frameworks, on the same model, batch and loss.
    pub competitors: Vec<Competitor>,
    /// Measurements that failed, with the reason.
    pub left_out: Vec<String>,
}

/// A step of *small* with the pixel loss in another framework.
#[derive(Serialize, Deserialize)]
pub struct Competitor {
    pub name: String,
    /// The run that it is compared with.
    pub baseline: String,
    pub batch: usize,
    pub ms: f64,
    pub first_ms: f64,
    pub parameters: usize,
    pub times_slower: f64,
}

impl Run {
    /// Milliseconds per image of a step of *small*.
    fn step_ms_per_image(&self) -> Option<f64> {
        let step = self.steps.get("small")?;
        Some(step.ms / step.batch as f64)
    }
}

impl Report {
    /// Returns the run of an environment.
    pub fn run(&mut self, environment: &str) -> Option<&mut Run> {
        self.runs
            .iter_mut()
            .find(|run| run.environment == environment)
    }

    /// Formats the report as Markdown, for a terminal and for `docs/benchmarks.md`.
    pub fn tables(&self) -> String {
        let mut text = String::new();
        let _ = self.write_tables(&mut text);
        text
    }

    fn write_tables(&self, to: &mut String) -> std::fmt::Result {
        let three = |values: [f64; 3], unit: &str| {
            values
                .map(|v| {
                    if v.is_nan() {
                        "-".into()
                    } else {
                        format!("{v:.0}{unit}")
                    }
                })
                .join(" / ")
        };
        let ratio = |value: Option<f64>| value.map_or("-".into(), |v| format!("{v:.1}x"));

        writeln!(
            to,
            "| where | peak, GFLOP/s | copy, GB/s | 3x3 convolution, % of peak | slowest layer, % | speed-up over Burn | detection | edge map: speed-up over Burn |"
        )?;
        writeln!(to, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        for run in &self.runs {
            let [percent, slowest, speedup] = match &run.conv3x3 {
                Some(c) => [
                    three(
                        [
                            c.forward_percent,
                            c.input_grad_percent,
                            c.weight_grad_percent,
                        ],
                        "",
                    ),
                    three(c.least_percent, ""),
                    three(c.speedup_vs_burn, "x"),
                ],
                None => ["-", "-", "-"].map(String::from),
            };
            let edge_map = run.edge_map.as_ref().map_or("-".into(), |map| {
                let memory =
                    (map.bytes.zip(map.reference_bytes)).map_or(String::new(), |(ours, theirs)| {
                        format!(
                            ", in 1/{:.0} of the memory",
                            theirs as f64 / ours.max(1) as f64
                        )
                    });
                format!("{:.0}x{memory}", map.reference_ms / map.ms)
            });
            writeln!(
                to,
                "| {} | {:.1} | {:.1} | {percent} | {slowest} | {speedup} | {:.1} ms | {edge_map} |",
                run.environment, run.peak_gflops, run.copy_gbytes_per_second, run.detect_ms
            )?;
        }
        writeln!(
            to,
            "\n3x3 convolution: forward pass / input gradient / weight gradient, geometric means over the layers.\n"
        )?;

        writeln!(
            to,
            "| step | where | batch, loss | ms | first step, ms | GFLOP/s | % of peak | speed-up over Burn | speed-up over TensorFlow.js | launches | MB |"
        )?;
        writeln!(
            to,
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
        )?;
        for run in &self.runs {
            for (preset, step) in &run.steps {
                let [launches, bytes] =
                    step.profile.as_ref().map_or(["-".into(), "-".into()], |p| {
                        [
                            p.dispatches.to_string(),
                            format!("{:.0}", p.peak_bytes as f64 / 1e6),
                        ]
                    });
                writeln!(
                    to,
                    "| {preset} | {} | {}, {:?} | {:.0} | {:.0} | {:.1} | {:.1} | {} | {} | {launches} | {bytes} |",
                    run.environment,
                    step.batch,
                    step.loss,
                    step.ms,
                    step.first_ms,
                    step.gflops,
                    step.percent_of_peak,
                    ratio(step.speedup_vs_burn),
                    ratio(step.speedup_vs_tfjs)
                )?;
            }
        }

        for run in &self.runs {
            for (preset, step) in &run.steps {
                let Some(profile) = &step.profile else {
                    continue;
                };
                let mut operations: Vec<_> = profile.operations.iter().collect();
                operations.sort_by(|a, b| b.1.1.total_cmp(&a.1.1));
                let shares = operations
                    .iter()
                    .map(|(name, (launches, share))| format!("{name} {share:.1}% ({launches})"));
                writeln!(
                    to,
                    "\n{}, a step of {preset}: {}",
                    run.environment,
                    shares.collect::<Vec<_>>().join(", ")
                )?;
            }
        }

        writeln!(to)?;
        for competitor in &self.competitors {
            writeln!(
                to,
                "{}: a step of small, batch {}, pixel loss, takes {:.0} ms (the first {:.0} ms), {:.2} times as long as on {}",
                competitor.name,
                competitor.batch,
                competitor.ms,
                competitor.first_ms,
                competitor.times_slower,
                competitor.baseline
            )?;
        }
        let ms = |environment: &str| {
            self.runs
                .iter()
                .find(|run| run.environment == environment)?
                .step_ms_per_image()
        };
        for cores in ["", "-one-core"] {
            let [native, wasm] = ["native", "wasm"].map(|half| format!("{half}-flex{cores}"));
            if let (Some(native_ms), Some(wasm_ms)) = (ms(&native), ms(&wasm)) {
                let ratio = wasm_ms / native_ms;
                writeln!(
                    to,
                    "A step on {wasm} takes {ratio:.2} times as long as on {native}."
                )?;
            }
        }
        for reason in &self.left_out {
            writeln!(to, "Not measured: {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use autolink::config::LossKind;
    use serde_json::Value;

    use super::*;
    use crate::findings::{Convolutions, EdgeMap, Shape, Step, StepProfile};

    /// Makes a report of one run with two shapes and a step.
    pub fn sample() -> Report {
        let shape = |percent, times: Option<f64>| Shape {
            preset: "small".into(),
            inputs: 4,
            outputs: 16,
            side: 64,
            batch: 2,
            percent: [percent; 3],
            speedup_vs_burn: times.map(|times| [times; 3]),
        };
        let step = Step {
            batch: 8,
            loss: LossKind::Pixel,
            ms: 500.0,
            first_ms: 900.0,
            gflops: 3.0,
            percent_of_peak: 30.0,
            speedup_vs_burn: Some(4.0),
            speedup_vs_tfjs: None,
            profile: Some(StepProfile {
                dispatches: 700,
                peak_bytes: 5_000_000,
                reserved_bytes: 9_000_000,
                operations: BTreeMap::from([("conv::Convolve".into(), (100, 60.0))]),
            }),
        };
        Report {
            runs: vec![Run {
                environment: "native-lavapipe".into(),
                adapter: "llvmpipe".into(),
                peak_gflops: 10.0,
                copy_gbytes_per_second: 5.0,
                conv3x3: Some(Convolutions::new(vec![
                    shape(20.0, Some(2.0)),
                    shape(80.0, None),
                ])),
                steps: BTreeMap::from([("small".into(), step)]),
                detect_ms: 3.0,
                edge_map: Some(EdgeMap {
                    batch: 2,
                    ms: 1.0,
                    reference_ms: 30.0,
                    bytes: Some(1),
                    reference_bytes: Some(60),
                }),
            }],
            ..Report::default()
        }
    }

    #[test]
    fn report_json_keeps_its_keys() {
        let json = serde_json::to_value(sample()).expect("numbers are JSON");
        let run = &json["runs"][0];
        assert_eq!(run["environment"], "native-lavapipe");
        let numbers = [
            &run["peak_gflops"],
            &run["detect_ms"],
            &run["conv3x3"]["forward_percent"],
            &run["conv3x3"]["input_grad_percent"],
            &run["conv3x3"]["weight_grad_percent"],
        ];
        let step = &run["steps"]["small"];
        let of_step = [
            "ms",
            "first_ms",
            "gflops",
            "percent_of_peak",
            "speedup_vs_burn",
        ]
        .map(|key| &step[key]);
        assert!(
            numbers
                .iter()
                .chain(&of_step)
                .all(|value| value.is_number()),
            "{json}"
        );
        assert_eq!(step.get("speedup_vs_tfjs"), Some(&Value::Null));
        assert_eq!(
            serde_json::from_value::<Report>(json)
                .expect("its own JSON")
                .runs
                .len(),
            1
        );
    }

    #[test]
    fn tables_show_every_run() {
        let tables = sample().tables();
        for part in [
            "native-lavapipe | 10.0",
            "40 / 40 / 40",
            "| small | native-lavapipe | 8, Pixel | 500 | 900",
            "conv::Convolve 60.0%",
            "in 1/60 of the memory",
        ] {
            assert!(tables.contains(part), "{part}: {tables}");
        }
    }
}
