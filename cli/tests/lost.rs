//! The command line loses neither a run nor an existing file.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use autolink::annotate::formats::FormatInfo;
use autolink::checkpoint::{self, Precision};
use autolink::data::synthetic;
use autolink::session::{Backend, Session};
use autolink::{Config, LossKind, Preset};
use burn::tensor::Device;
use pollster::block_on;
use safetensors::SafeTensors;
use serde_json::Value;

/// Options for the smallest model.
const SMALL: [&str; 10] = [
    "--size",
    "32",
    "--width",
    "4",
    "--keypoints",
    "4",
    "--batch",
    "4",
    "--loss",
    "pixel",
];

/// More steps than a test can take.
const ENDLESS: [&str; 2] = ["--steps", "4000000000"];

/// Creates an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("lost-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn autolink(folder: &Path, arguments: &[&[&str]]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autolink"))
        .current_dir(folder)
        .args(arguments.concat())
        .output()
        .expect("runs")
}

fn succeeds(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fails_with(output: &Output, sentence: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Lists the names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn steps_of(file: &Path) -> usize {
    checkpoint::steps_of(fs::File::open(file).expect("is there")).expect("is ours")
}

/// Loads a file completely, and returns its steps.
fn opens(file: &Path) -> usize {
    let bytes = fs::read(file).expect("is there");
    let loaded = checkpoint::load(&bytes, &Device::flex()).expect("opens");
    loaded.step
}

/// The running program, which is killed when this is dropped.
struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(folder: &Path, arguments: &[&[&str]]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_autolink"));
        Self::of(command.current_dir(folder).args(arguments.concat()))
    }

    fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("starts");
        let output = child.stdout.take().expect("an output");
        let lines = BufReader::new(output).lines();
        Self { child, lines }
    }

    /// Reads up to the next line of this type.
    fn until(&mut self, kind: &str) -> Value {
        let mut lines = self.lines.by_ref().map_while(Result::ok);
        let found = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line).expect("JSON");
            (line["type"] == kind).then_some(line)
        });
        found.unwrap_or_else(|| panic!("it ended without a line of {kind}"))
    }

    #[cfg(unix)]
    fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &process]).status();
        assert!(sent.expect("sends").success());
    }

    /// Waits for the end, and returns the exit code.
    fn end(mut self) -> Option<i32> {
        self.lines.by_ref().for_each(drop);
        self.child.wait().expect("ends").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn train_rejects_invalid_outputs_before_the_first_step() {
    let folder = folder("before");
    fs::create_dir(folder.join("dir")).expect("makes");
    fs::write(folder.join("there.safetensors"), b"a night's work").expect("writes");
    fs::write(
        folder.join("table.csv"),
        "file,a_x,a_y\npuppet-0.png,0.5,0.5\n",
    )
    .expect("writes");
    fs::write(folder.join("picture.png"), b"a picture").expect("writes");
    let before = names(&folder);
    let out = ["--out", "m.safetensors"];
    let puppets = "synthetic:20";
    let cases: [(&str, &[&str], &str); 16] = [
        (puppets, &["--out", "dir"], "is a folder"),
        (puppets, &["--out", "dir/"], "is a folder"),
        (
            puppets,
            &["--out", "nowhere/m.safetensors"],
            "there is no folder",
        ),
        (puppets, &["--out", "there.safetensors"], "--force"),
        (
            "picture.png",
            &["--out", "dir/../picture.png", "--force"],
            "would replace an input",
        ),
        (
            puppets,
            &[&out[..], &["--run", "m.safetensors"]].concat(),
            "two outputs",
        ),
        (
            puppets,
            &[&out[..], &["--run", "dir"]].concat(),
            "is a folder",
        ),
        (
            puppets,
            &[&out[..], &["--run", "there.safetensors"]].concat(),
            "--force",
        ),
        (
            puppets,
            &[&out[..], &["--log", "nowhere/log"]].concat(),
            "there is no folder",
        ),
        (
            puppets,
            &[&out[..], &["--log", "./m.safetensors"]].concat(),
            "two outputs",
        ),
        (
            puppets,
            &[&out[..], &["--log", "there.safetensors"]].concat(),
            "--force",
        ),
        (
            puppets,
            &[&out[..], &["--preview", "picture.png"]].concat(),
            "is a file",
        ),
        (
            puppets,
            &[&out[..], &["--eval-fit", "20"]].concat(),
            "20 cannot be fitted",
        ),
        (
            puppets,
            &[&out[..], &["--eval-fit", "0"]].concat(),
            "0 cannot be fitted",
        ),
        (
            puppets,
            &[&out[..], &["--eval-landmarks", "nowhere.csv"]].concat(),
            "cannot be read",
        ),
        (
            puppets,
            &[
                "--out",
                "table.csv",
                "--eval-landmarks",
                "table.csv",
                "--force",
            ],
            "would replace an input",
        ),
    ];
    for (pictures, more, expected) in cases {
        let output = autolink(&folder, &[&["train", pictures], &SMALL, &ENDLESS, more]);
        fails_with(&output, expected);
        assert_eq!(names(&folder), before, "{more:?} left something");
    }
    let text = fs::read(folder.join("there.safetensors")).expect("is there");
    assert_eq!(text, b"a night's work");
}

#[test]
fn train_rejects_more_images_than_fit_into_memory() {
    let folder = folder("memory");
    for count in [
        "synthetic:999999999999999999",
        "synthetic:18446744073709551615",
    ] {
        let output = autolink(
            &folder,
            &[&["train", count, "--out", "m.safetensors"], &SMALL],
        );
        fails_with(&output, "do not fit into memory");
    }
    assert!(names(&folder).is_empty());
}

#[test]
fn train_rejects_more_previews_than_fit_on_the_disk() {
    let folder = folder("room");
    let previews = ["--preview", "previews", "--preview-every", "1"];
    let train = ["train", "synthetic:8", "--out", "m.safetensors"];
    let output = autolink(&folder, &[&train, &SMALL, &ENDLESS, &previews]);
    fails_with(&output, "not enough space");
    fails_with(&output, "are free");
    assert_eq!(names(&folder), ["previews"]);
    assert!(names(&folder.join("previews")).is_empty());
}

#[test]
fn train_reports_failed_previews_once_and_saves_the_model() {
    let folder = folder("warning");
    let previews = folder.join("previews");
    // The previews of steps 2 and 4 cannot be written, because folders have their names.
    for step in [2, 4] {
        fs::create_dir_all(previews.join(format!("step_{step:06}.png"))).expect("makes");
    }
    let train = [
        "train",
        "synthetic:8",
        "--out",
        "m.safetensors",
        "--steps",
        "5",
    ];
    let preview = ["--preview", "previews", "--preview-every", "1"];
    let output = autolink(&folder, &[&train, &SMALL, &preview]);
    fails_with(
        &output,
        "The model is saved, but this failed during training: the preview 2 times",
    );
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr.matches("The preview failed").count(), 1, "{stderr}");
    assert_eq!(opens(&folder.join("m.safetensors")), 5);
    assert!(previews.join("step_000003.png").is_file());
}

#[test]
#[cfg(target_os = "linux")]
fn train_saves_the_model_when_the_log_fails() {
    let folder = folder("full");
    let train = [
        "train",
        "synthetic:8",
        "--out",
        "m.safetensors",
        "--steps",
        "3",
    ];
    let output = autolink(&folder, &[&train, &SMALL, &["--log", "/dev/full"]]);
    fails_with(&output, "the log 3 times");
    assert_eq!(opens(&folder.join("m.safetensors")), 3);
}

#[test]
#[cfg(unix)]
fn train_rescues_files_that_cannot_be_saved() {
    let folder = folder("rescue");
    fs::create_dir(folder.join("gone")).expect("makes");
    let train = [
        "--json",
        "train",
        "synthetic:8",
        "--out",
        "gone/m.safetensors",
    ];
    let mut running = Running::start(
        &folder,
        &[
            &train,
            &SMALL,
            &ENDLESS,
            &["--run", "gone/r.safetensors", "--save-every", "0"],
        ],
    );
    running.until("autosaved");
    // The program may be writing into the folder.
    while fs::remove_dir_all(folder.join("gone")).is_err() {}
    running.until("warning");
    running.signal("TERM");
    let model = running.until("saved")["model"].as_str().map(PathBuf::from);
    assert_eq!(running.end(), Some(143));
    let model = folder.join(model.expect("a path"));
    let rescued = names(&folder);
    assert_eq!(rescued.len(), 2, "{rescued:?}");
    for name in &rescued {
        assert!(opens(&folder.join(name)) > 0);
    }
    assert!(model.is_file());
}

#[test]
#[cfg(unix)]
fn signals_save_and_set_the_exit_code() {
    let folder = folder("signals");
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let [model, run] = ["m", "r"].map(|name| format!("{name}-{signal}.safetensors"));
        let train = [
            "--json",
            "train",
            "synthetic:8",
            "--out",
            &model,
            "--run",
            &run,
        ];
        let mut running = Running::start(&folder, &[&train, &SMALL, &ENDLESS]);
        let step = running.until("step")["step"].as_u64();
        running.signal(signal);
        let saved = running.until("saved")["steps"].as_u64();
        assert_eq!(running.end(), Some(code), "{signal}");
        assert!(saved >= step);
        for file in [&model, &run] {
            assert_eq!(Some(opens(&folder.join(file)) as u64), saved, "{file}");
        }
    }
    assert_eq!(names(&folder).len(), 6, "no litter");
}

#[test]
#[cfg(target_os = "linux")]
fn nohup_ignores_the_hangup_signal() {
    let folder = folder("nohup");
    let program = env!("CARGO_BIN_EXE_autolink");
    let train = ["--json", "train", "synthetic:8", "--out", "m.safetensors"];
    let mut command = Command::new("sh");
    command.current_dir(&folder);
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", program]);
    let mut running = Running::of(command.args([&train[..], &SMALL, &ENDLESS].concat()));
    running.until("step");
    running.signal("HUP");
    let step = running.until("step")["step"].as_u64();
    for _ in 0..3 {
        running.until("step");
    }
    running.signal("TERM");
    let saved = running.until("saved")["steps"].as_u64();
    assert!(saved > step);
    assert_eq!(running.end(), Some(143));
}

#[test]
fn kill_loses_only_steps_after_the_last_save() {
    let folder = folder("kill");
    let every = ["--save-every", "0"];
    // Without --run, the model is saved.
    for (more, file) in [
        (&["--run", "r.safetensors"][..], "r.safetensors"),
        (&[][..], "m.safetensors"),
    ] {
        let train = ["--json", "train", "synthetic:8", "--out", "m.safetensors"];
        let mut running = Running::start(&folder, &[&train, &SMALL, &ENDLESS, &every, more]);
        running.until("autosaved");
        let autosaved = running.until("autosaved");
        running.child.kill().expect("kills");
        running.child.wait().expect("ends");
        assert_eq!(autosaved["file"], file);
        assert!(Some(opens(&folder.join(file)) as u64) >= autosaved["steps"].as_u64());
    }
}

#[test]
#[cfg(unix)]
fn train_continues_when_its_output_is_closed() {
    let folder = folder("silent");
    let mut command = Command::new(env!("CARGO_BIN_EXE_autolink"));
    let train = [
        "train",
        "synthetic:8",
        "--out",
        "m.safetensors",
        "--steps",
        "3",
    ];
    command
        .current_dir(&folder)
        .args([&train[..], &SMALL].concat());
    let mut child = (command.stdout(Stdio::piped()).stderr(Stdio::piped()))
        .spawn()
        .expect("starts");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    assert_eq!(opens(&folder.join("m.safetensors")), 3);
}

#[test]
fn existing_files_are_replaced_only_with_force() {
    let folder = folder("force");
    let train = |more: &[&str]| autolink(&folder, &[&["train", "synthetic:8"], &SMALL, more]);
    let [model, run] = ["m.safetensors", "r.safetensors"].map(|name| folder.join(name));
    let both = ["--out", "m.safetensors", "--run", "r.safetensors"];
    let with = |more: &[&'static str]| [&both[..], more].concat();
    succeeds(&train(&with(&["--steps", "4", "--log", "log"])));
    let kept = fs::read(&model).expect("is there");
    fails_with(
        &train(&["--out", "m.safetensors", "--steps", "2"]),
        "--force",
    );
    fails_with(
        &train(&["--out", "n.safetensors", "--steps", "2", "--log", "log"]),
        "--force",
    );
    assert!(fs::read(&model).expect("is there") == kept);

    // The run continues in its own files; the log and the first preview stay.
    let resume = |more: &[&str]| {
        let resume = ["train", "synthetic:8", "--resume", "r.safetensors"];
        autolink(&folder, &[&resume, more])
    };
    succeeds(&resume(&with(&["--steps", "6", "--log", "log"])));
    assert_eq!([opens(&model), opens(&run)], [6, 6]);
    let log = fs::read_to_string(folder.join("log")).expect("a log");
    let steps: Vec<Value> = (log.lines())
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON")["step"].clone())
        .collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);

    fails_with(
        &resume(&["--out", "n.safetensors", "--steps", "5"]),
        "has taken 6 steps already",
    );
    fails_with(
        &train(&["--out", "m.onnx", "--steps", "2"]),
        "give it a name that ends in .safetensors",
    );

    // A model of another run, or with more steps than the resumed run, is not replaced.
    let other = [
        "train",
        "synthetic:8",
        "--out",
        "other.safetensors",
        "--steps",
        "9",
        "--seed",
        "5",
    ];
    succeeds(&autolink(&folder, &[&other, &SMALL]));
    fails_with(
        &resume(&["--out", "other.safetensors", "--steps", "7"]),
        "--force",
    );
    fails_with(
        &resume(&["--out", "r.safetensors", "--steps", "7"]),
        "--force",
    );
    assert_eq!(
        (steps_of(&folder.join("other.safetensors")), opens(&run)),
        (9, 6)
    );
    succeeds(&resume(&[
        "--out",
        "other.safetensors",
        "--steps",
        "7",
        "--force",
    ]));
    assert_eq!(steps_of(&folder.join("other.safetensors")), 7);

    let convert = |more: &[&str]| autolink(&folder, &[&["convert"], more]);
    fails_with(&convert(&["r.safetensors", "r.safetensors"]), "--force");
    fails_with(&convert(&["r.safetensors", "m.safetensors"]), "--force");
    fails_with(
        &convert(&["m.safetensors", "m.onnx", "--float16"]),
        "--float16",
    );
    succeeds(&convert(&["r.safetensors", "m.safetensors", "--force"]));
    succeeds(&convert(&["m.safetensors", "m.onnx"]));
    let export = ["export", "--model", "m.safetensors", "--onnx"];
    fails_with(&autolink(&folder, &[&export, &["m.onnx"]]), "--force");
    fails_with(
        &autolink(&folder, &[&export, &["m.safetensors", "--force"]]),
        "would replace an input",
    );
    succeeds(&autolink(&folder, &[&export, &["m.onnx", "--force"]]));
    assert!(steps_of(&run) == 6, "it was only read");
}

#[test]
fn detect_and_annotate_replace_files_only_with_force() {
    let folder = folder("detect");
    let train = [
        "train",
        "synthetic:8",
        "--out",
        "m.safetensors",
        "--steps",
        "1",
    ];
    succeeds(&autolink(&folder, &[&train, &SMALL]));
    let png = synthetic::puppet_png(0, 1, 48).expect("a picture");
    fs::write(folder.join("p.png"), png).expect("writes");
    let model = ["--model", "m.safetensors"];
    let detect = |more: &[&str]| autolink(&folder, &[&["detect", "p.png", "--out"], more, &model]);
    succeeds(&detect(&["k.json"]));
    fails_with(&detect(&["k.json"]), "--force");
    succeeds(&detect(&["k.json", "--force"]));
    fails_with(&detect(&["p.png", "--force"]), "would replace an input");
    fails_with(
        &detect(&["m.safetensors", "--force"]),
        "would replace an input",
    );
    for format in ["csv", "png"] {
        let annotate = ["annotate", "p.png", "--out", "labels", "--format", format];
        succeeds(&autolink(&folder, &[&annotate, &model]));
        fails_with(&autolink(&folder, &[&annotate, &model]), "--force");
        succeeds(&autolink(&folder, &[&annotate, &model, &["--force"]]));
    }
}

#[test]
fn train_keeps_previews_of_another_run() {
    let folder = folder("previews");
    let previews = ["--preview", "previews", "--preview-every", "2"];
    let train = ["train", "synthetic:8", "--steps", "2", "--out"];
    let first = [&train[..], &["a.safetensors", "--run", "r.safetensors"]].concat();
    succeeds(&autolink(&folder, &[&first, &SMALL, &previews]));
    let sheet = |step: usize| fs::read(folder.join(format!("previews/step_{step:06}.png"))).ok();
    let before = sheet(0).expect("a preview");
    fails_with(
        &autolink(&folder, &[&train, &["b.safetensors"], &SMALL, &previews]),
        "previews of another run",
    );
    let resume = [
        "train",
        "synthetic:8",
        "--resume",
        "r.safetensors",
        "--steps",
        "4",
    ];
    let onward = [&resume[..], &["--out", "b.safetensors"]].concat();
    succeeds(&autolink(&folder, &[&onward, &previews]));
    assert!(sheet(0).expect("stays") == before);
    assert!(sheet(2).is_some() && sheet(4).is_some());
}

#[test]
fn train_with_zero_steps_saves_the_untrained_model() {
    let folder = folder("zero");
    let train = [
        "train",
        "synthetic:8",
        "--steps",
        "0",
        "--out",
        "m.safetensors",
        "--log",
        "log",
    ];
    succeeds(&autolink(&folder, &[&train, &SMALL]));
    assert_eq!(opens(&folder.join("m.safetensors")), 0);
    assert_eq!(
        names(&folder),
        ["m.safetensors"],
        "a log of nothing is no file"
    );
}

fn small() -> Config {
    Config {
        keypoints: 4,
        size: 32,
        width: 4,
        batch: 4,
        micro_batch: 4,
        loss: LossKind::Pixel,
        ..Config::preset(Preset::Tiny)
    }
}

/// Makes a run of three steps whose next step makes a parameter infinite, and only the one after that the loss.
fn doomed() -> Vec<u8> {
    let config = small();
    let pictures = synthetic::puppets(8, 0, config.size).dataset;
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, pictures).expect("begins");
    for _ in 0..3 {
        block_on(session.step()).expect("steps");
    }
    let mut file = block_on(session.save_run()).expect("saves");
    let (header, metadata) = SafeTensors::read_metadata(&file).expect("a header");
    for (kind, value) in [("first", f32::MAX), ("second", 0.0)] {
        let name = format!("adamw.{kind}/decoder.conv.weight");
        let (start, end) = metadata.info(&name).expect("is there").data_offsets;
        for at in (start..end).step_by(4) {
            let at = 8 + header + at;
            file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
    }
    file
}

#[test]
fn diverged_run_saves_its_last_finite_state() {
    let folder = folder("diverged");
    fs::write(folder.join("r.safetensors"), doomed()).expect("writes");
    let resume = ["train", "synthetic:8", "--resume", "r.safetensors", "--out"];
    let more = ["--run", "onward.safetensors", "--save-every", "1000000"];
    // The loss shows it.
    let output = autolink(
        &folder,
        &[&resume, &["m.safetensors", "--steps", "90"], &more],
    );
    fails_with(&output, "The loss is no longer finite");
    fails_with(&output, "back at step 3");
    fails_with(&output, "Stopped and saved m.safetensors after 3 steps");
    assert_eq!(opens(&folder.join("m.safetensors")), 3);
    assert_eq!(opens(&folder.join("onward.safetensors")), 3);
    // The loss of the last step is still finite, the parameters are not.
    let output = autolink(&folder, &[&resume, &["n.safetensors", "--steps", "4"]]);
    fails_with(&output, "no longer holds finite numbers (decoder.conv.");
    assert_eq!(opens(&folder.join("n.safetensors")), 3);
    // The same happens when the run is saved during training.
    let every = ["o.safetensors", "--steps", "90", "--save-every", "0"];
    let output = autolink(&folder, &[&resume, &every]);
    fails_with(&output, "no longer holds finite numbers");
    assert_eq!(opens(&folder.join("o.safetensors")), 3);
}

#[test]
fn convert_rejects_files_that_are_not_models() {
    let folder = folder("foreign");
    let old = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/data/torch_corpus/before-1.6.bad"
    );
    let convert = |from: &str| autolink(&folder, &[&["convert", from, "m.safetensors"]]);
    fails_with(&convert(old), "PyTorch before 1.6");
    fs::write(folder.join("movie.mp4"), b"\0\0\0\x18ftypmp42 and so on").expect("writes");
    fails_with(&convert("movie.mp4"), "safetensors");
    let config = small();
    let model = autolink::model::AutoLink::init(&config, &Device::flex());
    let ours = block_on(checkpoint::save(
        &model,
        &config,
        1,
        None,
        "1",
        Precision::Float32,
    ));
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    zip.start_file("weights/m.safetensors", options)
        .expect("starts");
    std::io::Write::write_all(&mut zip, &ours.expect("saves")).expect("writes");
    let zip = zip.finish().expect("finishes").into_inner();
    fs::write(folder.join("m.zip"), zip).expect("writes");
    fails_with(&convert("m.zip"), "Unpack it first");
    assert!(!folder.join("m.safetensors").exists());
}

#[test]
fn help_lists_every_format() {
    let help = succeeds(&autolink(Path::new("."), &[&["annotate", "--help"]]));
    let words: Vec<&str> = help
        .split(|c: char| !c.is_alphanumeric() && c != '-')
        .collect();
    for offer in FormatInfo::all() {
        let name = serde_json::to_value(offer.format).expect("a name");
        assert!(
            words.contains(&name.as_str().expect("text")),
            "{name}: {help}"
        );
    }
}

/// Copies three images into a subfolder, and trains a small model and run: `in/`, `m.safetensors`, `r.safetensors` (2 steps).
fn images_and_model(folder: &Path) {
    let hands = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/hands");
    fs::create_dir(folder.join("in")).expect("makes");
    for name in names(&hands)
        .iter()
        .filter(|name| name.ends_with(".jpg"))
        .take(3)
    {
        fs::copy(hands.join(name), folder.join("in").join(name)).expect("copies");
    }
    let train = [
        "train",
        "synthetic:8",
        "--steps",
        "2",
        "--out",
        "m.safetensors",
    ];
    succeeds(&autolink(
        folder,
        &[&train, &SMALL, &["--run", "r.safetensors"]],
    ));
}

#[test]
#[cfg(unix)]
fn signals_that_arrive_twice_save_first() {
    let folder = folder("twice");
    for [first, second] in [
        ["TERM", "TERM"],
        ["HUP", "HUP"],
        ["TERM", "HUP"],
        ["INT", "INT"],
    ] {
        let model = format!("m-{first}-{second}.safetensors");
        let train = ["--json", "train", "synthetic:8", "--out", &model];
        let mut running = Running::start(&folder, &[&train, &SMALL, &ENDLESS]);
        running.until("step");
        let process = running.child.id();
        // By one shell, so that the second comes at once.
        let both = format!("kill -s {first} {process}; kill -s {second} {process}");
        Command::new("sh")
            .args(["-c", &both])
            .status()
            .expect("sends");
        running.until("saved");
        let code = running.end();
        assert!(
            [Some(130), Some(143), Some(129)].contains(&code),
            "{code:?}"
        );
        assert!(opens(&folder.join(&model)) > 0, "{first} {second}");
    }
}

#[test]
fn outputs_never_replace_inputs_even_with_force() {
    let folder = folder("inputs");
    images_and_model(&folder);
    let image = format!("in/{}", names(&folder.join("in"))[0]);
    let before = fs::read(folder.join(&image)).expect("is there");
    let model = ["--model", "m.safetensors", "--force"];
    let out = ["--out", image.as_str()];
    for paths in ["in", "in/*.jpg"] {
        let detect = autolink(&folder, &[&["detect", paths], &model[..], &out[..]]);
        fails_with(&detect, "would replace an input");
    }
    let train = autolink(&folder, &[&["train", "in", "--force"], &SMALL, &out]);
    fails_with(&train, "would replace an input");
    assert_eq!(fs::read(folder.join(&image)).expect("is there"), before);

    let run = fs::read(folder.join("r.safetensors")).expect("is there");
    let convert = ["convert", "r.safetensors", "r.safetensors", "--force"];
    fails_with(&autolink(&folder, &[&convert]), "would replace an input");
    assert_eq!(
        fs::read(folder.join("r.safetensors")).expect("is there"),
        run
    );

    // A table of landmarks where the export would put its own.
    let annotate = ["annotate", "in", "--format", "csv", "--out", "a"];
    succeeds(&autolink(&folder, &[&annotate, &model]));
    let table = names(&folder.join("a")).remove(0);
    let file = folder.join("a").join(&table);
    let rows: String = names(&folder.join("in"))
        .iter()
        .map(|name| format!("{name},0.4,0.5\n"))
        .collect();
    let text = format!("file,tip_x,tip_y\n{rows}");
    fs::write(&file, &text).expect("writes");
    let labels = format!("a/{table}");
    let landmarks = [
        "landmarks",
        "in",
        "--format",
        "csv",
        "--out",
        "a",
        "--landmarks",
        &labels,
    ];
    let landmarks = autolink(&folder, &[&landmarks, &model]);
    fails_with(&landmarks, "would replace an input");
    assert_eq!(fs::read_to_string(&file).expect("is there"), text);

    // Previews among the images would be read as images the next time.
    let train = [
        "train",
        "in",
        "--steps",
        "1",
        "--out",
        "n.safetensors",
        "--preview",
        "in",
    ];
    fails_with(
        &autolink(&folder, &[&train, &SMALL]),
        "Choose a folder outside",
    );
    assert_eq!(names(&folder.join("in")).len(), 3);
}

#[test]
fn annotate_checks_all_outputs_and_labels_before_it_detects() {
    let folder = folder("annotate");
    images_and_model(&folder);
    let png = ["--format", "png", "--out", "a", "--model", "m.safetensors"];
    let annotate = [&["annotate", "in"], &png[..]];
    succeeds(&autolink(&folder, &annotate));
    // Without a valid model there is nothing to detect with: the outputs are checked before it is opened.
    fs::write(folder.join("m.safetensors"), "damaged").expect("writes");
    fails_with(&autolink(&folder, &annotate), "already exists");
    fs::write(
        folder.join("t.csv"),
        "file,tip_x,tip_y\nother.jpg,0.4,0.5\n",
    )
    .expect("writes");
    let landmarks = ["landmarks", "in", "--landmarks", "t.csv"];
    fails_with(
        &autolink(&folder, &[&landmarks, &png]),
        "labels are of other images",
    );
    let file = [
        "--format",
        "csv",
        "--out",
        "t.csv",
        "--model",
        "m.safetensors",
    ];
    fails_with(
        &autolink(&folder, &[&["annotate", "in"], &file]),
        "Give the name of a folder",
    );
}

#[test]
fn resume_appends_to_logs_and_previews_of_its_own_only() {
    let folder = folder("append");
    images_and_model(&folder);
    let resume = [
        "train",
        "synthetic:8",
        "--resume",
        "r.safetensors",
        "--steps",
        "3",
    ];
    let out = ["--out", "n.safetensors"];
    let text = "file,tip_x,tip_y\n";
    fs::write(folder.join("hand.csv"), text).expect("writes");
    for log in ["hand.csv", "m.safetensors"] {
        let before = fs::read(folder.join(log)).expect("is there");
        let output = autolink(&folder, &[&resume, &out, &["--log", log]]);
        fails_with(&output, "is not a log of a run");
        assert_eq!(fs::read(folder.join(log)).expect("is there"), before);
    }
    // A log that a kill tore in its first line is continued.
    fs::write(folder.join("torn"), "{\"loss\":0.1").expect("writes");
    succeeds(&autolink(&folder, &[&resume, &out, &["--log", "torn"]]));

    // Previews of steps that the run has not reached belong to another one.
    let previews = folder.join("previews");
    fs::create_dir(&previews).expect("makes");
    fs::write(previews.join("step_000003.png"), "another").expect("writes");
    let more = ["--out", "o.safetensors", "--preview", "previews"];
    fails_with(
        &autolink(&folder, &[&resume, &more]),
        "previews of another run",
    );
    let fresh = ["train", "synthetic:8", "--steps", "1"];
    fails_with(
        &autolink(&folder, &[&fresh, &SMALL, &more]),
        "previews of another run",
    );
    assert_eq!(
        fs::read(previews.join("step_000003.png")).expect("is there"),
        b"another"
    );
}

#[test]
#[cfg(unix)]
fn file_that_appears_during_training_is_not_replaced() {
    let folder = folder("appears");
    images_and_model(&folder);
    let train = ["--json", "train", "synthetic:8", "--out", "n.safetensors"];
    let run = ["--run", "q.safetensors", "--save-every", "0"];
    let mut running = Running::start(&folder, &[&train, &SMALL, &ENDLESS, &run]);
    running.until("autosaved");
    // Another program writes a model with fewer steps than this run has.
    let other = fs::read(folder.join("m.safetensors")).expect("is there");
    fs::write(folder.join("n.safetensors"), &other).expect("writes");
    running.until("autosaved");
    running.signal("TERM");
    let saved = running.until("saved");
    assert_eq!(running.end(), Some(143));
    assert_eq!(
        fs::read(folder.join("n.safetensors")).expect("is there"),
        other
    );
    let model = folder.join(saved["model"].as_str().expect("a path"));
    assert_eq!(Some(opens(&model) as u64), saved["steps"].as_u64());
}

#[test]
#[cfg(unix)]
fn image_named_by_two_paths_is_one() {
    let folder = folder("paths");
    images_and_model(&folder);
    std::os::unix::fs::symlink("in", folder.join("link")).expect("links");
    let detect = [
        "detect",
        "in",
        "in/../in",
        "./in",
        "link",
        "--model",
        "m.safetensors",
        "--out",
        "k.json",
    ];
    succeeds(&autolink(&folder, &[&detect]));
    let found: Value =
        serde_json::from_slice(&fs::read(folder.join("k.json")).expect("is there")).expect("JSON");
    assert_eq!(
        found["images"].as_object().map(|images| images.len()),
        Some(3)
    );
}
