//! The native side: runs a process for each device and each competitor, and collects what they measured.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use autolink::config::{Config, LossKind, Preset};
use autolink::device::open_gpu;
use autolink::loss::WEIGHTS_FILES;
use autolink::model::AutoLink;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::findings::Run;
use crate::measure::{self, Plan};
use crate::report::{Competitor, Report};
use crate::{chart, layers, recipe};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// The environment variable that names another Python for PyTorch.
const PYTHON: &str = "AUTOLINK_PYTHON";

pub fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["one", kind, ref options @ ..] => one(kind, options),
        ["adapter"] => {
            println!("{}", environment_of(&gpu()?.1));
            Ok(())
        }
        ["recipe", ref options @ ..] => recipe::main(options),
        ["show", file] => show(
            &serde_json::from_str(&fs::read_to_string(file)?)?,
            Some(file),
        ),
        _ => all(&words),
    }
}

/// Measures one device in this process, and prints the run as JSON in its last line.
fn one(kind: &str, options: &[&str]) -> Result<()> {
    let plan = Plan {
        quick: options.contains(&"--quick"),
        steps_only: options.contains(&"--steps-only"),
        cores: 1, // The peak is measured on all cores at once.
    };
    let read = |name| fs::read(Path::new(ROOT).join("weights").join(name));
    let weights = WEIGHTS_FILES
        .into_iter()
        .map(read)
        .collect::<std::io::Result<Vec<_>>>()?;
    let (device, adapter, environment) = match kind {
        "gpu" => {
            let (device, adapter) = gpu()?;
            let environment = environment_of(&adapter);
            (device, adapter, environment)
        }
        "flex" => {
            let cores = rayon::current_num_threads();
            let environment = if cores == 1 {
                "native-flex-one-core"
            } else {
                "native-flex"
            };
            (
                Device::flex(),
                format!("cores: {cores}"),
                environment.into(),
            )
        }
        other => bail!("`{other}` is neither `gpu` nor `flex`"),
    };
    let run = pollster::block_on(measure::run(&device, environment, adapter, &weights, plan));
    println!("{}", serde_json::to_string(&run)?);
    Ok(())
}

/// Opens the default GPU; returns its name as well.
fn gpu() -> Result<(Device, String)> {
    let device = pollster::block_on(open_gpu())?;
    let name = autolink::ops::measure::adapter_name(&device).context("There is no GPU.")?;
    Ok((device, name))
}

/// Names the run of an adapter.
fn environment_of(adapter: &str) -> String {
    match adapter.starts_with("llvmpipe") {
        true => "native-lavapipe".into(),
        false => adapter.into(),
    }
}

fn all(options: &[&str]) -> Result<()> {
    let mut options = options.iter();
    let (mut quick, mut json) = (false, None);
    while let Some(&option) = options.next() {
        match option {
            "--quick" => quick = true,
            "--json" => json = Some(*options.next().context("--json needs a file")?),
            other => bail!(
                "`{other}` is not an option of the benchmark: it has --quick and --json FILE."
            ),
        }
    }
    let mut report = Report {
        quick,
        ..Report::default()
    };
    print_layers();

    let program = env::current_exe()?;
    let native = |kind: &str, settings: &[(&str, &str)], more: &[&str]| {
        let mut command = Command::new(&program);
        command
            .args(["one", kind])
            .args(more)
            .envs(settings.iter().copied());
        if quick {
            command.arg("--quick");
        }
        command
    };
    let browser = |words: &[&str]| {
        let mut command = Command::new("node");
        command
            .current_dir(ROOT)
            .arg("bench/browser.mjs")
            .args(words);
        if quick {
            command.arg("--quick");
        }
        command
    };
    // Without its cache, the driver compiles the kernels of the first step.
    let lavapipe = [
        ("CUBECL_WGPU_DEFAULT_DEVICE", "Cpu"),
        ("MESA_SHADER_CACHE_DISABLE", "true"),
    ];

    report.add("native Flex", native("flex", &[], &[]));
    report.add("wasm Flex", browser(&["flex"]));
    report.add("wasm Flex on one core", browser(&["flex-one-core"]));
    report.add(
        "native Flex on one core",
        native("flex", &[("RAYON_NUM_THREADS", "1")], &["--steps-only"]),
    );
    report.add("lavapipe", native("gpu", &lavapipe, &[]));
    let gpu = last_line::<String>(
        Command::new(&program).arg("adapter"),
        |line| Ok(line.into()),
    );
    match gpu {
        Ok(name) if name != "native-lavapipe" => report.add(&name, native("gpu", &[], &[])),
        Ok(_) => report.left_out.push("GPU: none found".into()),
        Err(error) => report.left_out.push(format!("GPU: {error:#}")),
    }
    report.add("Chromium", browser(&["gpu"]));

    let chromium = report
        .runs
        .iter()
        .find(|run| run.environment.starts_with("chromium-"));
    if let Some(environment) = chromium.map(|run| run.environment.clone()) {
        report.add_competitor("TensorFlow.js", &environment, |settings| {
            browser(&["tfjs", settings])
        });
    }
    let python = env::var(PYTHON).unwrap_or_else(|_| "python3".into());
    report.add_competitor("PyTorch", "native-flex", |settings| {
        let mut command = Command::new(&python);
        command
            .current_dir(ROOT)
            .args(["bench/torch_step.py", settings]);
        command
    });

    show(&report, json)?;
    if let Some(file) = json {
        fs::write(file, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

/// Prints the tables, and writes the chart beside the JSON file.
fn show(report: &Report, json: Option<&str>) -> Result<()> {
    println!("\n{}", report.tables());
    if let Some(file) = json {
        let file = Path::new(file).with_extension("svg");
        fs::write(&file, chart::svg(report))?;
        println!("The chart is {}.", file.display());
    }
    Ok(())
}

/// Prints the layers that the arithmetic is counted by.
fn print_layers() {
    for (preset, name) in [(Preset::Small, "small"), (Preset::Paper, "paper")] {
        let config = Config::preset(preset);
        println!("\n3x3 convolutions of a step of {name}: MFLOP per pass and image, times passes");
        let layers = layers::step_layers(&config);
        for layer in &layers {
            let shape = format!("{}>{} {}px", layer.inputs, layer.outputs, layer.side);
            println!(
                "{:>24} {shape:>16} {:>8.1} x{}",
                layer.name,
                layer.operations() / 1e6,
                layer.passes
            );
        }
        let pixel = layers::step_operations(&Config {
            loss: LossKind::Pixel,
            ..config.clone()
        });
        let all = layers::step_operations(&config);
        println!(
            "{:.2} GFLOP per image, {:.2} with the pixel loss",
            all / 1e9,
            pixel / 1e9
        );
    }
    println!();
}

/// Runs a program, and parses the last line of its standard output.
fn last_line<T>(command: &mut Command, read: impl Fn(&str) -> Result<T>) -> Result<T> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(
        output.status.success(),
        "the program failed ({})",
        output.status
    );
    let text = String::from_utf8(output.stdout)?;
    read(
        text.trim_end()
            .lines()
            .last()
            .context("the program printed nothing")?,
    )
}

fn from_json<T: DeserializeOwned>(line: &str) -> Result<T> {
    Ok(serde_json::from_str(line)?)
}

/// Counts the learned parameters of a model.
fn parameters(config: &Config) -> usize {
    let mut learned = Learned::default();
    AutoLink::init(config, &Device::flex().autodiff()).visit(&mut learned);
    learned.0
}

/// Counts parameters, without the running statistics of batch norm.
#[derive(Default)]
struct Learned(usize);

impl ModuleVisitor for Learned {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.0 += param.shape().num_elements();
        }
    }
}

/// Steps as the program of a competitor prints them.
#[derive(Deserialize)]
struct Steps {
    ms: f64,
    first_ms: f64,
    parameters: usize,
}

impl Report {
    /// Runs a program that measures one device. If it fails, the report says so, and the others continue.
    fn add(&mut self, name: &str, mut command: Command) {
        eprintln!("\n=== {name}");
        match last_line(&mut command, from_json::<Run>) {
            Ok(run) => self.runs.push(run),
            Err(error) => self.left_out.push(format!("{name}: {error:#}")),
        }
    }

    /// Runs the steps of a competitor on the model, batch and loss of *small* in the run of `baseline`.
    fn add_competitor(&mut self, name: &str, baseline: &str, program: impl Fn(&str) -> Command) {
        eprintln!("\n=== {name}");
        if let Err(error) = self.try_competitor(name, baseline, program) {
            self.left_out.push(format!("{name}: {error:#}"));
        }
    }

    fn try_competitor(
        &mut self,
        name: &str,
        baseline: &str,
        program: impl Fn(&str) -> Command,
    ) -> Result<()> {
        let run = self
            .run(baseline)
            .with_context(|| format!("there is no run of {baseline} to compare with"))?;
        let step = run
            .steps
            .get_mut("small")
            .context("no step of small to compare with")?;
        ensure!(step.loss == LossKind::Pixel, "it only has the pixel loss");
        let config = Config {
            batch: step.batch,
            micro_batch: step.batch,
            loss: LossKind::Pixel,
            ..Config::preset(Preset::Small)
        };
        let steps = last_line(
            &mut program(&serde_json::to_string(&config)?),
            from_json::<Steps>,
        )?;
        let ours = parameters(&config);
        ensure!(
            steps.parameters == ours,
            "its model has {} parameters and ours {ours}, so the two cannot be compared",
            steps.parameters
        );
        let speedup = steps.ms / step.ms;
        if name == "TensorFlow.js" {
            step.speedup_vs_tfjs = Some(speedup);
        }
        self.competitors.push(Competitor {
            name: name.into(),
            baseline: baseline.into(),
            batch: config.batch,
            ms: steps.ms,
            first_ms: steps.first_ms,
            parameters: steps.parameters,
            times_slower: speedup,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_exclude_running_statistics() {
        let config = Config::preset(Preset::Small);
        let all = AutoLink::init(&config, &Device::flex()).num_params();
        // Mean and variance of 720 + 96 channels in the detector, 704 + 480 in the decoder.
        assert_eq!(parameters(&config), all - 2 * 2000);
    }
}
