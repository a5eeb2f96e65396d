//! Training, detection, evaluation and annotation on the command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use autolink::data::synthetic;
use image::{ColorType, ImageFormat, save_buffer_with_format};
use serde_json::Value;

const SMALL: [&str; 12] = [
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
    "--steps",
    "3",
];

/// Creates an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn autolink<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args(arguments)
        .output()
        .expect("runs")
}

fn succeeds(output: &Output) -> String {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn fails_with(output: &Output, sentence: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Writes puppets as files, some in a subfolder, and a table of their joints.
fn write_puppets(to: &Path, count: usize) {
    let puppets = synthetic::puppets(count, 3, 48);
    fs::create_dir_all(to.join("more")).expect("a folder");
    let mut table = String::new();
    for i in 0..count {
        let name = if i % 2 == 0 {
            format!("{i:02}.png")
        } else {
            format!("more/{i:02}.png")
        };
        save_buffer_with_format(
            to.join(&name),
            puppets.dataset.pixels(i),
            48,
            48,
            ColorType::Rgb8,
            ImageFormat::Png,
        )
        .expect("a picture");
        if i == 0 {
            table += "file";
            (0..puppets.joints[i].len())
                .for_each(|joint| table += &format!(",j{joint}_x,j{joint}_y"));
            table += "\n";
        }
        table += &name;
        puppets.joints[i]
            .iter()
            .for_each(|[x, y]| table += &format!(",{x},{y}"));
        table += "\n";
    }
    fs::write(to.join("joints.csv"), table).expect("a table");
}

#[test]
fn train_detect_and_eval_agree_on_puppets() {
    let folder = folder("whole");
    let pictures = folder.join("pictures");
    write_puppets(&pictures, 16);
    let (model, log, out) = (
        folder.join("m.safetensors"),
        folder.join("log.jsonl"),
        folder.join("out.json"),
    );

    let previews = folder.join("previews");
    let table = pictures.join("joints.csv");
    let mut arguments = vec![
        "train",
        path(&pictures),
        "--out",
        path(&model),
        "--log",
        path(&log),
    ];
    arguments.extend([
        "--preview",
        path(&previews),
        "--preview-every",
        "2",
        "--eval-landmarks",
        path(&table),
    ]);
    let trained = autolink(arguments.into_iter().chain(SMALL));
    succeeds(&trained);
    let stderr = String::from_utf8_lossy(&trained.stderr).into_owned();
    assert!(
        stderr.contains("Skipped joints.csv") && stderr.contains("16 images"),
        "{stderr}"
    );
    let log = fs::read_to_string(log).expect("a log");
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 3);
    assert!(
        lines
            .iter()
            .all(|line| line["loss"].as_f64().is_some_and(f64::is_finite))
    );
    assert_eq!(lines[2]["step"], 3);
    assert!(lines[2]["error"].as_f64() > Some(0.0) && lines[2]["baseline"].as_f64() > Some(0.0));
    let mut sheets: Vec<_> = fs::read_dir(previews)
        .expect("previews")
        .map(|e| e.expect("one").file_name())
        .collect();
    sheets.sort();
    assert_eq!(
        sheets,
        ["step_000000.png", "step_000002.png", "step_000003.png"]
    );

    let detected = autolink([
        "detect",
        path(&pictures),
        "--model",
        path(&model),
        "--out",
        path(&out),
    ]);
    succeeds(&detected);
    let found: Value = serde_json::from_slice(&fs::read(&out).expect("keypoints")).expect("JSON");
    let images = found["images"].as_object().expect("images");
    assert_eq!(images.len(), 16);
    let one = &images["more/01.png"];
    assert_eq!(
        (
            one["keypoints"].as_array().map(Vec::len),
            one["confidence"].as_array().map(Vec::len)
        ),
        (Some(4), Some(4))
    );
    assert!((0.0..=1.0).contains(&one["keypoints"][0][0].as_f64().expect("x")));
    assert_eq!(found["edges"].as_array().map(Vec::len), Some(4));

    let evaluated = autolink([
        "eval",
        "--model",
        path(&model),
        "--images",
        path(&pictures),
        "--landmarks",
        path(&table),
        "--fit",
        "10",
    ]);
    let score: Value = serde_json::from_str(&succeeds(&evaluated)).expect("JSON");
    assert_eq!((&score["n_fit"], &score["n_test"]), (&10.into(), &6.into()));
    assert!(score["error"].as_f64() > Some(0.0) && score["baseline"].as_f64() > Some(0.0));
}

#[test]
fn json_output_is_reproducible() {
    let folder = folder("json");
    let run = |name: &str| {
        let model = folder.join(name);
        let arguments = ["--json", "train", "synthetic:16", "--out", path(&model)];
        let text = succeeds(&autolink(arguments.into_iter().chain(SMALL)));
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let losses: Vec<Value> = lines
            .iter()
            .filter(|line| line["type"] == "step")
            .map(|line| line["loss"].clone())
            .collect();
        assert_eq!(lines[0]["type"], "loaded");
        assert_eq!(lines[lines.len() - 1]["type"], "saved");
        (losses, fs::read(model).expect("a model"))
    };
    let [(first, model), (second, same)] = ["a.safetensors", "b.safetensors"].map(run);
    assert_eq!(first.len(), 3);
    assert_eq!(first, second);
    // After the header, whose entries have no fixed order.
    let values = |bytes: &[u8]| {
        let header = u64::from_le_bytes(*bytes.first_chunk().expect("a length"));
        bytes[8 + header as usize..].to_vec()
    };
    assert!(values(&model) == values(&same), "the models differ");
}

#[test]
fn resumed_run_is_converted_and_annotates() {
    let folder = folder("onward");
    let file = |name: &str| folder.join(name);
    let losses = |log: &Path| -> Vec<Value> {
        let text = fs::read_to_string(log).expect("a log");
        let line = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["loss"].clone();
        text.lines().map(line).collect()
    };
    let [whole, first, second] = ["whole", "first", "second"].map(&file);
    let train = |name: &Path, steps: &str, more: &[&str]| {
        let log = name.with_extension("jsonl");
        let out = name.with_extension("safetensors");
        let settings = if more.contains(&"--resume") {
            &[][..]
        } else {
            &SMALL[..SMALL.len() - 2]
        };
        assert_eq!(
            SMALL[SMALL.len() - 2],
            "--steps",
            "the last of the small settings"
        );
        let arguments = ["train", "synthetic:16", "--steps", steps]
            .into_iter()
            .chain(["--out", path(&out), "--log", path(&log)])
            .chain(settings.iter().copied())
            .chain(more.iter().copied());
        succeeds(&autolink(arguments.collect::<Vec<_>>()));
        losses(&log)
    };
    let run = file("run.safetensors");
    let expected = train(&whole, "5", &[]);
    let log = fs::read_to_string(whole.with_extension("jsonl")).expect("a log");
    assert!(
        log.contains("\"error\":0."),
        "puppets are always evaluated: {log}"
    );
    let mut found = train(&first, "2", &["--run", path(&run)]);
    found.extend(train(&second, "5", &["--resume", path(&run)]));
    assert_eq!(found, expected);

    let model = whole.with_extension("safetensors");
    let half = file("half.safetensors");
    let length = |path: &Path| fs::metadata(path).expect("a file").len();
    succeeds(&autolink([
        "convert",
        path(&model),
        path(&half),
        "--float16",
    ]));
    assert!(length(&half) < length(&model) * 6 / 10);
    let onnx = file("detector.onnx");
    succeeds(&autolink([
        "export",
        "--model",
        path(&half),
        "--onnx",
        path(&onnx),
    ]));
    assert!(length(&onnx) > 1000);
    fails_with(
        &autolink(["convert", path(&model), path(&file("model.txt"))]),
        "must end in",
    );

    let pictures = file("pictures");
    write_puppets(&pictures, 6);
    let out = file("annotations");
    let annotate = |command: &'static str, format: &'static str, more: &[&str]| {
        let arguments = [command, path(&pictures), "--model", path(&half)];
        let rest = ["--format", format, "--out", path(&out)];
        let all = arguments
            .into_iter()
            .chain(rest)
            .chain(more.iter().copied());
        succeeds(&autolink(all.collect::<Vec<_>>()))
    };
    annotate("annotate", "png", &[]);
    annotate("annotate", "coco", &[]);
    let drawn = |folder: &Path| {
        let entries = fs::read_dir(folder).expect("a folder").flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".png.png")).count()
    };
    assert_eq!([drawn(&out), drawn(&out.join("more"))], [3, 3]);
    // The skeleton cut into two parts: keypoints of a part share its colour, and a keypoint can be in one part only.
    let json = |name: &str, more: &[&str]| -> Value {
        annotate("annotate", "json", more);
        let written = out.join("annotations.json");
        let text = fs::read_to_string(&written).expect("a file");
        fs::rename(&written, out.join(name)).expect("renamed");
        serde_json::from_str(&text).expect("JSON")
    };
    let (whole, cut) = (json("whole.json", &[]), json("cut.json", &["--parts", "2"]));
    assert!(whole["parts"].is_null(), "{whole}");
    let colors = |found: &Value| -> Vec<Value> {
        let keypoints = found["keypoints"].as_array().expect("keypoints").iter();
        keypoints
            .map(|keypoint| keypoint["color"].clone())
            .collect()
    };
    let parts = cut["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), colors(&cut).len());
    assert_eq!(parts[0], 0, "parts are numbered by their first keypoint");
    assert!(parts.contains(&Value::from(1)), "{cut}");
    assert!(parts.iter().all(|part| *part == 0 || *part == 1), "{cut}");
    let pairs: Vec<(&Value, Value)> = parts.iter().zip(colors(&cut)).collect();
    for (part, color) in &pairs {
        assert!(
            pairs.iter().all(|(p, c)| (p == part) == (c == color)),
            "{cut}"
        );
    }
    assert_ne!(colors(&whole), colors(&cut));
    let table = pictures.join("joints.csv");
    let stdout = annotate("landmarks", "csv", &["--landmarks", path(&table)]);
    assert!(stdout.contains("error_fraction"), "{stdout}");
    let points = fs::read_to_string(out.join("keypoints.csv")).expect("a table");
    assert!(points.contains(",j4,"), "{points}");

    // The table of joints, first with other names than those of the model's keypoints, then with one of them.
    let against = |table: &Path| {
        autolink([
            "annotate",
            path(&pictures),
            "--model",
            path(&half),
            "--format",
            "csv",
            "--out",
            path(&out),
            "--force",
            "--against",
            path(table),
        ])
    };
    fails_with(&against(&table), "no keypoint called j0");
    let renamed = folder.join("renamed.csv");
    let text = fs::read_to_string(&table).expect("a table");
    fs::write(&renamed, text.replace(",j1_", ",kp1_")).expect("written");
    let stdout = succeeds(&against(&renamed));
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    for part in ["\"name\":\"kp1\"", "\"images\":6", "\"error_fraction\":0."] {
        assert!(stdout.contains(part), "{stdout}");
    }
}

#[test]
fn commands_report_invalid_input() {
    let folder = folder("wrong");
    let model = folder.join("m.safetensors");
    let out = ["--out", path(&model)];
    let train = |pictures: &str, more: &[&str]| {
        autolink(
            ["train", pictures]
                .into_iter()
                .chain(out)
                .chain(SMALL)
                .chain(more.iter().copied()),
        )
    };
    let empty = folder.join("empty");
    fs::create_dir_all(&empty).expect("a folder");
    fails_with(&train(path(&empty), &[]), "no images");
    fails_with(&train(path(&folder.join("nowhere")), &[]), "cannot be read");
    fails_with(&train("synthetic:1", &[]), "only one image");
    fails_with(&train("synthetic:many", &[]), "synthetic:");
    fails_with(
        &train("synthetic:8", &["--mask-ratio", "1.5"]),
        "Mask ratio is 1.5",
    );
    fails_with(&train("synthetic:8", &["--micro-batch", "3"]), "divisor");
    let nowhere = folder.join("nowhere/m.safetensors");
    let unsaved = autolink(
        ["train", "synthetic:8", "--out", path(&nowhere)]
            .into_iter()
            .chain(SMALL),
    );
    fails_with(&unsaved, "there is no folder");
    assert!(!model.exists());

    write_puppets(&folder.join("pictures"), 4);
    let pictures = folder.join("pictures");
    fs::write(&model, b"no model").expect("a file");
    let found = folder.join("out.json");
    let detect = [
        "detect",
        path(&pictures),
        "--model",
        path(&model),
        "--out",
        path(&found),
    ];
    fails_with(&autolink(detect), "safetensors");
    fs::remove_file(&model).expect("removes");
    fails_with(&autolink(detect), "cannot be read");
    let in_json = autolink(["--json"].into_iter().chain(detect));
    assert_eq!(in_json.status.code(), Some(1));
    let line: Value = serde_json::from_slice(&in_json.stdout).expect("JSON");
    assert_eq!(
        (&line["type"], &line["kind"]),
        (&"failed".into(), &"file".into())
    );
    succeeds(&autolink(
        ["train", "synthetic:8"].into_iter().chain(out).chain(SMALL),
    ));
    fails_with(
        &autolink([
            "detect",
            path(&pictures.join("joints.csv")),
            "--model",
            path(&model),
            "--out",
            path(&found),
        ]),
        "There are no images in these files",
    );
}
