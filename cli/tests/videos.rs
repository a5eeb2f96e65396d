//! Videos on the command line, made by ffmpeg: numbers and times of their frames, damaged files, annotated videos.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use image::GenericImageView;
use serde_json::Value;

#[path = "../../tests/needs/mod.rs"]
mod needs;

/// Brightness of frame n is n times this, so that an image tells its number.
const STEP: u32 = 6;

/// Makes an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("videos-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

/// Runs the command line in a folder.
fn autolink(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("runs")
}

fn succeeds(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{stderr}");
    stderr
}

fn fails_with(output: &Output, sentence: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Returns whether ffmpeg is there; reports the test as skipped otherwise.
fn has_ffmpeg() -> bool {
    let runs = |program| Command::new(program).arg("-version").output().is_ok();
    let has = runs("ffmpeg") && runs("ffprobe");
    if !has {
        needs::skip(needs::Needed::Ffmpeg, "ffmpeg is not on the PATH");
    }
    has
}

/// Makes a file with ffmpeg.
fn ffmpeg(folder: &Path, arguments: &[&str]) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
}

/// Makes a video of 64 x 48 px whose frames are ever brighter: `frames` at `rate` per second, through more options of ffmpeg.
fn brighter(folder: &Path, name: &str, rate: u32, frames: u32, more: &[&str]) {
    let source = format!(
        "color=black:s=64x48:r={rate}:d={},format=yuv444p,geq=lum='16+N*{STEP}':cb=128:cr=128",
        f64::from(frames) / f64::from(rate)
    );
    let mut arguments = vec!["-f", "lavfi", "-i", &source];
    arguments.extend(more);
    arguments.extend(["-pix_fmt", "yuv420p", name]);
    ffmpeg(folder, &arguments);
}

/// Returns a model of four keypoints.
fn model() -> &'static str {
    static MODEL: OnceLock<String> = OnceLock::new();
    MODEL.get_or_init(|| {
        let folder = folder("model");
        let small = "train synthetic:4 --size 32 --width 4 --keypoints 4 --batch 4 --loss pixel --steps 2 --out m.safetensors";
        succeeds(&autolink(&folder, &small.split(' ').collect::<Vec<_>>()));
        let path = folder.join("m.safetensors");
        path.to_str().expect("a plain path").into()
    })
}

/// Annotates files as JSON, and returns the images and what was printed.
fn annotated(folder: &Path, inputs: &[&str], more: &[&str]) -> (Vec<Value>, String) {
    let mut arguments = vec!["annotate"];
    arguments.extend(inputs);
    arguments.extend([
        "--model",
        model(),
        "--format",
        "json",
        "--out",
        "json",
        "--force",
    ]);
    arguments.extend(more);
    let printed = succeeds(&autolink(folder, &arguments));
    let path = folder.join("json/annotations.json");
    let json: Value = serde_json::from_slice(&fs::read(path).expect("reads")).expect("JSON");
    let images = json["images"].as_array().expect("images");
    (images.clone(), printed)
}

/// Returns number and time of each frame.
fn times(images: &[Value]) -> Vec<(u64, f64)> {
    let time = |image: &Value| {
        (
            image["frame"].as_u64().expect("a number"),
            image["seconds"].as_f64().expect("a time"),
        )
    };
    images.iter().map(time).collect()
}

fn assert_times(images: &[Value], expected: impl Iterator<Item = f64>, within: f64) {
    let expected: Vec<f64> = expected.collect();
    let times = times(images);
    assert_eq!(times.len(), expected.len());
    for (i, (&(frame, seconds), expected)) in times.iter().zip(expected).enumerate() {
        assert_eq!(frame, i as u64);
        assert!(
            (seconds - expected).abs() < within,
            "frame {i} at {seconds} s, not {expected} s"
        );
    }
}

#[test]
fn frames_have_the_numbers_and_times_of_the_file() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("times");
    let regular = |rate: u32, count: u32| (0..count).map(move |i| f64::from(i) / f64::from(rate));
    for rate in [25, 60, 240] {
        brighter(&folder, "a.mp4", rate, 20, &[]);
        let (images, _) = annotated(&folder, &["a.mp4"], &[]);
        assert_times(&images, regular(rate, 20), 1e-6);
        assert_eq!(images[0]["file_name"], "a.mp4");
    }
    // Every frame at first, then every third.
    let variable = [
        "-vf",
        "select='lt(n,10)+not(mod(n,3))'",
        "-fps_mode",
        "passthrough",
    ];
    brighter(&folder, "variable.mp4", 30, 30, &variable);
    let (images, _) = annotated(&folder, &["variable.mp4"], &[]);
    let kept = (0..30).filter(|n| *n < 10 || n % 3 == 0);
    assert_times(&images, kept.map(|n| f64::from(n) / 30.0), 1e-6);

    // An edit list that begins after the key frame, and one that begins late.
    brighter(&folder, "whole.mp4", 30, 30, &[]);
    ffmpeg(
        &folder,
        &["-ss", "0.35", "-i", "whole.mp4", "-c", "copy", "cut.mp4"],
    );
    let (images, _) = annotated(&folder, &["cut.mp4"], &["--images", "copy"]);
    assert_times(&images, regular(30, images.len() as u32), 0.02);
    assert!((18..=20).contains(&images.len()), "{}", images.len());
    let first = grey(&folder.join("json/cut/img000000.png"));
    assert!((10..=12).contains(&(first / STEP)), "{first}");
    ffmpeg(
        &folder,
        &[
            "-itsoffset",
            "0.5",
            "-i",
            "whole.mp4",
            "-c",
            "copy",
            "late.mp4",
        ],
    );
    let (images, _) = annotated(&folder, &["late.mp4"], &[]);
    assert_times(&images, regular(30, 30).map(|time| time + 0.5), 1e-6);

    // Without a duration, with times in milliseconds.
    brighter(
        &folder,
        "live.webm",
        30,
        30,
        &["-c:v", "libvpx", "-live", "1"],
    );
    let (images, _) = annotated(&folder, &["live.webm"], &[]);
    assert_times(&images, regular(30, 30), 6e-4);
}

/// Returns the brightness in the middle of an image, above black: that of frame n is n times [`STEP`].
fn grey(path: &Path) -> u32 {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let image = image::load_from_memory(&bytes).expect("an image");
    let value = f64::from(image.get_pixel(32, 24).0[0]);
    // From full range to that of the video.
    (value * 219.0 / 255.0).round() as u32
}

#[test]
fn chosen_frames_are_the_images_of_their_numbers() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("chosen");
    brighter(&folder, "walk.mp4", 30, 30, &[]);
    for (option, count, expected) in [
        ("--every", "7", vec![0, 7, 14, 21, 28]),
        ("--frames", "4", vec![4, 11, 18, 25]),
    ] {
        let (images, _) = annotated(&folder, &["walk.mp4"], &[option, count, "--images", "copy"]);
        let numbers: Vec<u64> = times(&images).iter().map(|(frame, _)| *frame).collect();
        assert_eq!(numbers, expected, "{option}");
        for number in numbers {
            let path = folder.join(format!("json/walk/img{number:06}.png"));
            let found = f64::from(grey(&path)) / f64::from(STEP);
            assert!((found - number as f64).abs() < 0.5, "{number}: {found}");
        }
        fs::remove_dir_all(folder.join("json")).expect("removes");
    }
    // Several videos give a share each.
    brighter(&folder, "short.mp4", 30, 10, &[]);
    let both = ["walk.mp4", "short.mp4"];
    let (images, _) = annotated(&folder, &both, &["--frames", "8"]);
    let of = |name: &str| images.iter().filter(|i| i["file_name"] == name).count();
    assert_eq!((of("walk.mp4"), of("short.mp4")), (4, 4));
    let twice = autolink(
        &folder,
        &[
            "detect", "walk.mp4", "--every", "2", "--frames", "2", "--model", "m", "--out", "o",
        ],
    );
    assert_eq!(twice.status.code(), Some(2));
}

#[test]
fn train_and_detect_take_videos() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("train");
    fs::create_dir(folder.join("day")).expect("a folder");
    brighter(&folder, "day/walk.mp4", 30, 30, &[]);
    let train = "--json train day --frames 8 --size 32 --width 4 --keypoints 4 --batch 4 --loss pixel --steps 2 --out m.safetensors";
    let output = autolink(&folder, &train.split(' ').collect::<Vec<_>>());
    succeeds(&output);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let first: Value = serde_json::from_str(stdout.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["images"], 8, "{stdout}");
    let detect = "detect day --every 10 --model m.safetensors --out out.json";
    succeeds(&autolink(&folder, &detect.split(' ').collect::<Vec<_>>()));
    let out = fs::read(folder.join("out.json")).expect("reads");
    let out: Value = serde_json::from_slice(&out).expect("JSON");
    let names: Vec<&String> = out["images"].as_object().expect("images").keys().collect();
    assert_eq!(
        names,
        [
            "walk/img000000.png",
            "walk/img000010.png",
            "walk/img000020.png"
        ]
    );
}

#[test]
fn damaged_videos_give_a_sentence() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("damaged");
    let source = "testsrc2=s=160x120:r=20:d=2";
    let fast = [
        "-movflags",
        "+faststart",
        "-pix_fmt",
        "yuv420p",
        "whole.mp4",
    ];
    ffmpeg(
        &folder,
        &[&["-f", "lavfi", "-i", source][..], &fast].concat(),
    );
    let bytes = fs::read(folder.join("whole.mp4")).expect("reads");
    // The table of frames is whole; a third of their bytes is missing.
    let media = bytes
        .windows(4)
        .position(|four| four == b"mdat")
        .expect("frames");
    let kept = media + (bytes.len() - media) * 2 / 3;
    fs::write(folder.join("cut.mp4"), &bytes[..kept]).expect("writes");
    let (images, printed) = annotated(&folder, &["cut.mp4"], &[]);
    assert!((3..40).contains(&images.len()), "{}", images.len());
    let sentence = format!(
        "Skipped cut.mp4: Only {} of 40 frames of cut.mp4 could be decoded",
        images.len()
    );
    assert!(printed.contains(&sentence), "{printed}");

    brighter(&folder, "end.mp4", 30, 20, &[]);
    let bytes = fs::read(folder.join("end.mp4")).expect("reads");
    // The table of frames is at the end.
    fs::write(folder.join("headless.mp4"), &bytes[..bytes.len() - 200]).expect("writes");
    ffmpeg(&folder, &["-f", "lavfi", "-i", "sine=d=1", "sound.m4a"]);
    for (name, sentence) in [
        ("headless.mp4", "has no readable frames"),
        ("sound.m4a", "has sound but no frames"),
    ] {
        let detect = ["detect", name, "--model", model(), "--out", "o.json"];
        fails_with(&autolink(&folder, &detect), sentence);
    }
    // The same video under two names is used once.
    fs::copy(folder.join("whole.mp4"), folder.join("copy.mp4")).expect("copies");
    let (images, printed) = annotated(&folder, &["whole.mp4", "copy.mp4"], &[]);
    assert_eq!(images.len(), 40);
    assert!(printed.contains("the same video as whole.mp4"), "{printed}");
}

#[test]
fn missing_ffmpeg_is_named() {
    let folder = folder("missing");
    fs::write(folder.join("a.mp4"), b"\0\0\0\x18ftypisom\0\0\0\0isom").expect("writes");
    let output = Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args(["detect", "a.mp4", "--model", model(), "--out", "o.json"])
        .current_dir(&folder)
        .env("PATH", "")
        .output()
        .expect("runs");
    fails_with(
        &output,
        "Videos need ffprobe, which is not on the PATH. Install FFmpeg",
    );
}

/// Returns what ffprobe knows of a video's size, codec and times.
fn probed(path: &Path) -> (u64, u64, String, Vec<f64>) {
    let entries = "stream=codec_name,width,height:frame=best_effort_timestamp_time";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-of", "json", "-show_entries", entries])
        .arg(path)
        .output()
        .expect("runs");
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let stream = &json["streams"][0];
    let seconds = |frame: &Value| frame["best_effort_timestamp_time"].as_str()?.parse().ok();
    (
        stream["width"].as_u64().expect("a width"),
        stream["height"].as_u64().expect("a height"),
        stream["codec_name"].as_str().expect("a codec").into(),
        json["frames"]
            .as_array()
            .expect("frames")
            .iter()
            .filter_map(seconds)
            .collect(),
    )
}

#[test]
fn annotated_video_has_the_frames_times_and_size_of_its_source() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("annotated");
    let variable = [
        "-vf",
        "select='lt(n,10)+not(mod(n,3))'",
        "-fps_mode",
        "passthrough",
    ];
    brighter(&folder, "plain.mp4", 30, 30, &variable);
    // As a phone held upright writes it.
    let options: &[&[&str]] = &[
        &[
            "-display_rotation",
            "90",
            "-i",
            "plain.mp4",
            "-c",
            "copy",
            "walk.mp4",
        ],
        &[
            "-i",
            "plain.mp4",
            "-metadata:s:v",
            "rotate=90",
            "-c",
            "copy",
            "walk.mp4",
        ],
    ];
    let makes = |arguments: &&&[&str]| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y"]).args(**arguments);
        let output = ffmpeg.current_dir(&folder).output();
        output.is_ok_and(|output| output.status.success())
    };
    assert!(options.iter().find(makes).is_some(), "turns");
    let annotate = [
        "annotate",
        "walk.mp4",
        "--model",
        model(),
        "--format",
        "video",
    ];
    let annotate = [&annotate[..], &["--out", "out"]].concat();
    let printed = succeeds(&autolink(&folder, &annotate));
    assert!(
        printed.contains("1 annotated video with 16 frames"),
        "{printed}"
    );
    let written = folder.join("out/walk.annotated.mp4");
    let (width, height, codec, seconds) = probed(&written);
    assert_eq!((width, height, codec.as_str()), (48, 64, "h264"));
    let (_, _, _, source) = probed(&folder.join("walk.mp4"));
    assert_eq!(seconds, source);
    assert_eq!(seconds.len(), 16); // ten, and every third of the rest
    // Something is drawn: a frame without drawing has one colour.
    ffmpeg(
        &folder,
        &[
            "-i",
            "out/walk.annotated.mp4",
            "-frames:v",
            "1",
            "drawn.png",
        ],
    );
    let drawn = image::open(folder.join("drawn.png")).expect("an image");
    let levels: BTreeSet<u8> = drawn.to_luma8().pixels().map(|p| p.0[0] / 16).collect();
    assert!(levels.len() > 2, "{levels:?}");

    fails_with(&autolink(&folder, &annotate), "already exists");
    image::RgbImage::new(8, 8)
        .save(folder.join("a.png"))
        .expect("writes");
    let of_image = [
        "annotate",
        "a.png",
        "--model",
        model(),
        "--format",
        "video",
        "--out",
        "o",
    ];
    fails_with(
        &autolink(&folder, &of_image),
        "There is no video among these files",
    );
    assert!(!folder.join("o").exists());
}

#[test]
#[cfg(unix)]
fn ctrl_c_stops_an_annotated_video_and_leaves_nothing() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("stopped");
    let source = "testsrc2=s=1280x720:r=30:d=20";
    ffmpeg(
        &folder,
        &[
            "-f",
            "lavfi",
            "-i",
            source,
            "-preset",
            "ultrafast",
            "long.mp4",
        ],
    );
    let mut child = Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args([
            "annotate",
            "long.mp4",
            "--model",
            model(),
            "--format",
            "video",
            "--out",
            "out",
        ])
        .current_dir(&folder)
        .stderr(Stdio::null())
        .spawn()
        .expect("runs");
    let out = folder.join("out");
    let has_begun = || fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some());
    while !has_begun() {
        assert!(child.try_wait().expect("waits").is_none(), "ended early");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill")
        .args(["-INT", &pid])
        .status()
        .expect("runs");
    assert!(sent.success());
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    assert!(!has_begun(), "nothing is left");
}

#[test]
fn motion_and_smoothing_of_a_video() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("motion");
    let moving = "testsrc2=s=64x48:r=30:d=1";
    ffmpeg(
        &folder,
        &[
            "-f", "lavfi", "-i", moving, "-pix_fmt", "yuv420p", "walk.mp4",
        ],
    );
    let table = |out: &str, more: &[&str]| {
        let motion = [
            "annotate",
            "walk.mp4",
            "--model",
            model(),
            "--format",
            "motion",
            "--out",
            out,
        ];
        succeeds(&autolink(&folder, &[&motion[..], more].concat()));
        fs::read_to_string(folder.join(out).join("motion.csv")).expect("a table")
    };
    let (raw, smooth) = (table("raw", &[]), table("smooth", &["--smooth"]));
    assert!(raw.starts_with("video,frame,seconds,\"kp0 x, px\",\"kp0 y, px\",\"kp0 speed, px/s\""));
    assert_eq!(raw.lines().count(), 31);
    assert!(
        raw.lines()
            .nth(4)
            .expect("a line")
            .starts_with("walk.mp4,3,0.100000,")
    );
    // The speed is in the sixth column.
    let speed = |table: &str| -> f64 {
        let values = table
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(5)?.parse().ok());
        values
            .map(|value: Option<f64>| value.expect("a speed"))
            .sum()
    };
    assert!(
        speed(&smooth) < speed(&raw),
        "{} {}",
        speed(&smooth),
        speed(&raw)
    );
}
