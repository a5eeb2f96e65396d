//! The native half: processes for everything that is measured, and their findings put together.

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
use crate::report::{Report, Rival};
use crate::{chart, layers};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// The program for the rivals in Python, where there is one.
const PYTHON: &str = "AUTOLINK_PYTHON";

pub fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["one", kind, ref options @ ..] => one(kind, options),
        ["adapter"] => {
            println!("{}", place_of(&gpu()?.1));
            Ok(())
        }
        ["show", file] => show(
            &serde_json::from_str(&fs::read_to_string(file)?)?,
            Some(file),
        ),
        _ => all(&words),
    }
}

/// Measures one device in this process, and prints what it found as its last line.
fn one(kind: &str, options: &[&str]) -> Result<()> {
    let plan = Plan {
        quick: options.contains(&"--quick"),
        steps_only: options.contains(&"--steps-only"),
        cores: 1, // All of them measure the peak.
    };
    let read = |name| fs::read(Path::new(ROOT).join("weights").join(name));
    let weights = WEIGHTS_FILES
        .into_iter()
        .map(read)
        .collect::<std::io::Result<Vec<_>>>()?;
    let (device, adapter, place) = match kind {
        "gpu" => {
            let (device, adapter) = gpu()?;
            let place = place_of(&adapter);
            (device, adapter, place)
        }
        "flex" => {
            let cores = rayon::current_num_threads();
            let place = if cores == 1 {
                "native-flex-one-core"
            } else {
                "native-flex"
            };
            (Device::flex(), format!("cores: {cores}"), place.into())
        }
        other => bail!("`{other}` is neither gpu nor flex"),
    };
    let run = pollster::block_on(measure::run(&device, place, adapter, &weights, plan));
    println!("{}", serde_json::to_string(&run)?);
    Ok(())
}

/// The adapter that is chosen here, and what it calls itself.
fn gpu() -> Result<(Device, String)> {
    let device = pollster::block_on(open_gpu())?;
    let name = autolink::ops::measure::adapter(&device).context("no graphics adapter")?;
    Ok((device, name))
}

/// What a run on an adapter is called.
fn place_of(adapter: &str) -> String {
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
            "--json" => json = Some(*options.next().context("--json wants a file")?),
            other => bail!("bench knows --quick and --json FILE, not {other}"),
        }
    }
    let mut report = Report {
        quick,
        ..Report::default()
    };
    print_layers();

    let ourselves = env::current_exe()?;
    let native = |kind: &str, settings: &[(&str, &str)], more: &[&str]| {
        let mut command = Command::new(&ourselves);
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
            .arg("benches/browser.mjs")
            .args(words);
        if quick {
            command.arg("--quick");
        }
        command
    };
    // A driver's cache of compiled kernels would make the first step no first one.
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
    let card = found::<String>(Command::new(&ourselves).arg("adapter"), |line| {
        Ok(line.into())
    });
    match card {
        Ok(name) if name != "native-lavapipe" => report.add(&name, native("gpu", &[], &[])),
        Ok(_) => report
            .left_out
            .push("a graphics card: there is none".into()),
        Err(error) => report.left_out.push(format!("a graphics card: {error:#}")),
    }
    report.add("Chromium's adapter", browser(&["gpu"]));

    let chromium = report
        .runs
        .iter()
        .find(|run| run.place.starts_with("chromium-"));
    if let Some(place) = chromium.map(|run| run.place.clone()) {
        report.add_rival("TensorFlow.js", &place, |settings| {
            browser(&["tfjs", settings])
        });
    }
    let python = env::var(PYTHON).unwrap_or_else(|_| "python3".into());
    report.add_rival("PyTorch", "native-flex", |settings| {
        let mut command = Command::new(&python);
        command
            .current_dir(ROOT)
            .args(["benches/torch_step.py", settings]);
        command
    });

    show(&report, json)?;
    if let Some(file) = json {
        fs::write(file, serde_json::to_string_pretty(&report)? + "\n")?;
    }
    Ok(())
}

/// The tables; beside a file of JSON its chart.
fn show(report: &Report, json: Option<&str>) -> Result<()> {
    println!("\n{}", report.tables());
    if let Some(file) = json {
        let file = Path::new(file).with_extension("svg");
        fs::write(&file, chart::svg(report))?;
        println!("{} shows it", file.display());
    }
    Ok(())
}

/// What the operations are counted by.
fn print_layers() {
    for (preset, name) in [(Preset::Small, "small"), (Preset::Paper, "paper")] {
        let config = Config::preset(preset);
        println!("\n3x3 convolutions of a step of {name}: MFLOP a pass and picture, times passes");
        let layers = layers::of_step(&config);
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
            "{:.2} GFLOP a picture, {:.2} with the pixel loss",
            all / 1e9,
            pixel / 1e9
        );
    }
    println!();
}

/// What the last line of a program's output says. Its other stream is for people.
fn found<T>(command: &mut Command, read: impl Fn(&str) -> Result<T>) -> Result<T> {
    let output = command.stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    read(text.trim_end().lines().last().context("it said nothing")?)
}

fn from_json<T: DeserializeOwned>(line: &str) -> Result<T> {
    Ok(serde_json::from_str(line)?)
}

/// How many numbers a step learns.
fn parameters(config: &Config) -> usize {
    let mut learnt = Learnt::default();
    AutoLink::init(config, &Device::flex().autodiff()).visit(&mut learnt);
    learnt.0
}

/// Numbers of a module's tensors, but for batch norm's running statistics.
#[derive(Default)]
struct Learnt(usize);

impl ModuleVisitor for Learnt {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.val().is_require_grad() {
            self.0 += param.shape().num_elements();
        }
    }
}

/// What a rival's program prints.
#[derive(Deserialize)]
struct Steps {
    ms: f64,
    first_ms: f64,
    parameters: usize,
}

impl Report {
    /// Runs a program that measures one device. Where it cannot, the report says so, and the others go on.
    fn add(&mut self, name: &str, mut command: Command) {
        eprintln!("\n=== {name}");
        match found(&mut command, from_json::<Run>) {
            Ok(run) => self.runs.push(run),
            Err(error) => self.left_out.push(format!("{name}: {error:#}")),
        }
    }

    /// Runs a rival's steps of small on the batch that the run of this place had.
    fn add_rival(&mut self, name: &str, beside: &str, program: impl Fn(&str) -> Command) {
        eprintln!("\n=== {name}");
        if let Err(error) = self.try_rival(name, beside, program) {
            self.left_out.push(format!("{name}: {error:#}"));
        }
    }

    fn try_rival(
        &mut self,
        name: &str,
        beside: &str,
        program: impl Fn(&str) -> Command,
    ) -> Result<()> {
        let run = self
            .run(beside)
            .with_context(|| format!("there is no run of {beside} to compare with"))?;
        let step = run
            .steps
            .get_mut("small")
            .context("no step of small to compare with")?;
        ensure!(step.loss == LossKind::Pixel, "it only knows the pixel loss");
        let config = Config {
            batch: step.batch,
            micro_batch: step.batch,
            loss: LossKind::Pixel,
            ..Config::preset(Preset::Small)
        };
        let steps = found(
            &mut program(&serde_json::to_string(&config)?),
            from_json::<Steps>,
        )?;
        let ours = parameters(&config);
        ensure!(
            steps.parameters == ours,
            "its model has {} parameters, ours {ours}: not the same work",
            steps.parameters
        );
        let times = steps.ms / step.ms;
        if name == "TensorFlow.js" {
            step.speedup_vs_tfjs = Some(times);
        }
        self.rivals.push(Rival {
            name: name.into(),
            beside: beside.into(),
            batch: config.batch,
            ms: steps.ms,
            first_ms: steps.first_ms,
            parameters: steps.parameters,
            times_slower: times,
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_statistics_are_not_learnt() {
        let config = Config::preset(Preset::Small);
        let all = AutoLink::init(&config, &Device::flex()).num_params();
        // Mean and variance of 720 + 96 channels in the detector, 704 + 480 in the decoder.
        assert_eq!(parameters(&config), all - 2 * 2000);
    }
}
