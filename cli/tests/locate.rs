//! `--locate`: a puppet that walks before a still camera is found, cropped to and mapped back; what cannot be located gives a sentence.

use std::f64::consts::TAU;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use autolink::data::locate::Crop;
use image::{Rgb, RgbImage};
use serde_json::Value;

#[path = "../../tests/needs/mod.rs"]
mod needs;

const SIZE: [u32; 2] = [240, 180];
/// Length of the puppet's body, px.
const LENGTH: f64 = 40.0;
/// Colour of the body.
const BODY: [f64; 3] = [35.0, 30.0, 28.0];

/// A puppet at a place, with its head in a direction.
#[derive(Clone, Copy)]
struct Animal {
    x: f64,
    y: f64,
    heading: f64,
    /// It has no tail, so that its outline does not tell its ends apart, but a pale face.
    has_face: bool,
}

impl Animal {
    /// Returns a point on the axis, which is 0.5 at the head and -0.5 at the other end of the body.
    fn on_axis(&self, part: f64) -> [f64; 2] {
        let (sin, cos) = self.heading.sin_cos();
        [self.x + part * LENGTH * cos, self.y + part * LENGTH * sin]
    }
}

/// Walks around an ellipse in 80 frames, head in front.
fn walk(i: usize) -> Animal {
    let t = TAU * i as f64 / 80.0;
    Animal {
        x: 120.0 + 70.0 * t.cos(),
        y: 90.0 + 45.0 * t.sin(),
        heading: (45.0 * t.cos()).atan2(-70.0 * t.sin()),
        has_face: false,
    }
}

/// Draws puppets, with a thin tail behind and a soft shadow, on a textured floor that the camera sees from `shift`.
fn drawn(animals: &[Animal], shift: u32) -> RgbImage {
    // The colour of the body, of the tail, or of the face.
    let part = |animal: &Animal, x: f64, y: f64| {
        let (sin, cos) = animal.heading.sin_cos();
        let (x, y) = (x - animal.x, y - animal.y);
        let (along, across) = (x * cos + y * sin, y * cos - x * sin);
        let body = (along / (LENGTH / 2.0)).powi(2) + (across / (LENGTH / 5.0)).powi(2) < 1.0;
        let tail = (-1.1 * LENGTH..-0.4 * LENGTH).contains(&along) && across.abs() < 1.2;
        let face = animal.has_face && along > 0.2 * LENGTH;
        match (body, tail && !animal.has_face) {
            (true, _) if face => Some([215.0, 205.0, 60.0]),
            (true, _) => Some(BODY),
            (false, true) => Some([75.0, 60.0, 60.0]),
            (false, false) => None,
        }
    };
    RgbImage::from_fn(SIZE[0], SIZE[1], |px, py| {
        let [x, y] = [px, py].map(|v| f64::from(v) + 0.5);
        let (u, v) = (px + shift, py);
        let cell = (u / 6).wrapping_mul(73_856_093) ^ (v / 6).wrapping_mul(19_349_663);
        let texture = f64::from(cell.wrapping_mul(2_654_435_761) >> 24) / 255.0 * 70.0;
        let mut colour = [120.0, 130.0, 110.0].map(|v| v + texture);
        for animal in animals {
            if part(animal, x - 5.0, y - 5.0) == Some(BODY) {
                colour = colour.map(|v| v * 0.75);
            }
        }
        for animal in animals {
            colour = part(animal, x, y).unwrap_or(colour);
        }
        Rgb(colour.map(|v| v as u8))
    })
}

/// Makes an empty folder for a test.
fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("locate-{name}"));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
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

/// Writes frames as a video of 25 frames a second.
fn video(path: &Path, frames: impl Iterator<Item = RgbImage>) {
    let size = format!("{}x{}", SIZE[0], SIZE[1]);
    let mut child = Command::new("ffmpeg")
        .args([
            "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
        ])
        .args([&size, "-r", "25", "-i", "pipe:0", "-pix_fmt", "yuv420p"])
        .args(["-crf", "12"])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut pipe = child.stdin.take().expect("a pipe");
    for frame in frames {
        pipe.write_all(frame.as_raw()).expect("writes");
    }
    drop(pipe);
    assert!(child.wait().expect("ends").success());
}

/// Runs the command line in a folder; words are separated by spaces.
fn autolink(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("runs")
}

/// Returns standard output and standard error.
fn succeeds(output: &Output) -> (String, String) {
    let [out, err] =
        [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    assert!(output.status.success(), "{err}");
    (out, err)
}

fn fails_with(output: &Output, sentence: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(sentence), "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("reads")).expect("JSON")
}

/// Settings of a small model.
const SMALL: &str = "--size 32 --width 4 --keypoints 4 --batch 4 --loss pixel --steps 2";

/// Returns the line of a type that a command printed.
fn line(stdout: &str, of_type: &str) -> Value {
    let mut lines = stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    lines
        .find(|line: &Value| line["type"] == of_type)
        .unwrap_or_else(|| panic!("no {of_type}: {stdout}"))
}

#[test]
fn keypoints_of_a_located_animal_map_back_into_the_video() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("walk");
    // Nothing is there at first, and later two are.
    let animals = |i: usize| match i {
        0..4 => vec![],
        40..46 => vec![walk(i), walk(i + 40)],
        _ => vec![walk(i)],
    };
    video(
        &folder.join("walk.mp4"),
        (0..80).map(|i| drawn(&animals(i), 0)),
    );
    let train = format!("--json train walk.mp4 --locate --frames 12 {SMALL} --out m.safetensors");
    let (stdout, _) = succeeds(&autolink(&folder, &train));
    let found = line(&stdout, "located");
    assert_eq!(
        (&found["images"], &found["turned"]),
        (&80.into(), &true.into())
    );
    assert_eq!(
        (&found["nothing"], &found["several"]),
        (&4.into(), &6.into())
    );
    assert_eq!(line(&stdout, "loaded")["images"], 12);

    let annotate = "annotate walk.mp4 --locate --model m.safetensors --images copy";
    let (_, printed) = succeeds(&autolink(
        &folder,
        &format!("{annotate} --format json --out json"),
    ));
    for part in [
        "Found the animal in walk.mp4: the model sees crops of",
        "turned so that the head is up",
        "of 80 frames, 4 show nothing that moves; 6 show two things or more that move",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
    let images = json(&folder.join("json/annotations.json"))["images"].take();
    let images = images.as_array().expect("images");
    assert_eq!(images.len(), 80);
    let crop =
        |image: &Value| -> Crop { serde_json::from_value(image["crop"].clone()).expect("a crop") };
    for (i, image) in images.iter().enumerate() {
        if !(4..40).contains(&i) && i < 46 {
            continue;
        }
        let (crop, animal) = (crop(image), walk(i));
        let head = crop.to_crop(animal.on_axis(0.5));
        let tail = crop.to_crop(animal.on_axis(-0.5));
        assert!(
            (head[0] - 0.5).abs() < 0.12 && (0.05..0.4).contains(&head[1]),
            "{i}: {head:?}"
        );
        assert!(
            (tail[0] - 0.5).abs() < 0.12 && (0.6..0.95).contains(&tail[1]),
            "{i}: {tail:?}"
        );
        for point in image["points"].as_array().expect("points") {
            let at = ["x_px", "y_px"].map(|axis| point[axis].as_f64().expect("a number"));
            let inside = crop.to_crop(at);
            assert!(
                inside.iter().all(|v| (0.0..=1.0).contains(v)),
                "{i}: {inside:?}"
            );
        }
    }

    // The annotations must agree with what the detector finds in each frame's crop, cut here.
    let frame = image::open(folder.join("json/walk/img000017.png")).expect("a frame");
    let of_frame = crop(&images[17]);
    let cut = RgbImage::from_raw(32, 32, of_frame.cut(&frame.into_rgb8(), 32)).expect("a crop");
    cut.save(folder.join("cut.png")).expect("writes");
    let detect = "detect cut.png --model m.safetensors --out cut.json";
    let (_, warned) = succeeds(&autolink(&folder, detect));
    assert!(
        warned.contains("was trained on crops around the animal"),
        "{warned}"
    );
    let keypoints = json(&folder.join("cut.json"))["images"]["cut.png"]["keypoints"].take();
    for (k, point) in images[17]["points"]
        .as_array()
        .expect("points")
        .iter()
        .enumerate()
    {
        let at = [0, 1].map(|axis| keypoints[k][axis].as_f64().expect("a number"));
        let [x, y] = of_frame.to_frame(at);
        let off =
            (x - point["x_px"].as_f64().expect("x")).hypot(y - point["y_px"].as_f64().expect("y"));
        assert!(off < 0.01, "keypoint {k} is {off} px off");
    }

    succeeds(&autolink(
        &folder,
        &format!("{annotate} --every 20 --format csv --out csv"),
    ));
    let table = fs::read_to_string(folder.join("csv/keypoints.csv")).expect("a table");
    assert!(
        table
            .lines()
            .next()
            .expect("a line")
            .ends_with(",crop_x,crop_y,crop_side,crop_degrees")
    );
    assert_eq!(table.lines().count(), 1 + 4 * 4);
    succeeds(&autolink(
        &folder,
        &format!("{annotate} --every 20 --format coco --out coco"),
    ));
    let detect = "detect walk.mp4 --locate --frames 5 --model m.safetensors --out found.json";
    succeeds(&autolink(&folder, detect));
    let crops = json(&folder.join("found.json"))["crops"].take();
    assert_eq!(crops.as_object().expect("crops").len(), 5);
}

#[test]
fn swapped_heads_are_mended_by_what_the_model_has_learned() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("flips");
    let with_face = |i: usize| Animal {
        has_face: true,
        ..walk(i)
    };
    // It walks forwards, leaves the image, and comes back walking backwards: by its motion alone, its ends are taken for each other.
    let backwards = |i: usize| Animal {
        heading: walk(i).heading + TAU / 2.0,
        ..with_face(i)
    };
    let animals = |i: usize| match i {
        0..40 => vec![with_face(i)],
        40..45 => vec![],
        _ => vec![backwards(i)],
    };
    let frames = |animals: &dyn Fn(usize) -> Vec<Animal>| -> Vec<RgbImage> {
        (0..70).map(|i| drawn(&animals(i), 0)).collect()
    };
    let forwards = frames(&|i| vec![with_face(i)]);
    video(&folder.join("forwards.mp4"), forwards.into_iter());
    video(&folder.join("back.mp4"), frames(&animals).into_iter());
    let train = "train forwards.mp4 --locate --frames 60 --steps 60 --batch 8 --size 32 --width 8 --keypoints 4 --mask-grid 8 --loss pixel --out m.safetensors";
    succeeds(&autolink(&folder, train));
    let annotate = "annotate back.mp4 --locate --model m.safetensors --format json --out";
    let (_, printed) = succeeds(&autolink(&folder, &format!("{annotate} mended")));
    assert!(
        printed.contains("frames of back.mp4, which is mended."),
        "{printed}"
    );
    let (_, printed) = succeeds(&autolink(&folder, &format!("{annotate} kept --keep-flips")));
    assert!(!printed.contains("swapped"), "{printed}");
    for (name, is_up) in [("mended", true), ("kept", false)] {
        let images = json(&folder.join(name).join("annotations.json"))["images"].take();
        let images = images.as_array().expect("images");
        for (i, image) in images
            .iter()
            .enumerate()
            .filter(|(i, _)| !(39..46).contains(i))
        {
            let crop: Crop = serde_json::from_value(image["crop"].clone()).expect("a crop");
            let head = crop.to_crop(animals(i)[0].on_axis(0.5));
            assert_eq!(
                head[1] < 0.5,
                is_up || i < 45,
                "{name}, frame {i}: {head:?}"
            );
        }
    }
}

#[test]
fn a_video_that_a_phone_turned_is_located_as_it_is_shown() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("turned");
    video(
        &folder.join("plain.mp4"),
        (0..80).map(|i| drawn(&[walk(i)], 0)),
    );
    // Older and newer versions of ffmpeg turn a video by other options.
    let turns: [&[&str]; 2] = [
        &["-display_rotation", "90", "-i", "plain.mp4"],
        &["-i", "plain.mp4", "-metadata:s:v", "rotate=90"],
    ];
    let is_turned = |options: &&&[&str]| {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-y"]).args(**options);
        let output = ffmpeg
            .args(["-c", "copy", "walk.mp4"])
            .current_dir(&folder)
            .output();
        output.is_ok_and(|output| output.status.success())
    };
    assert!(turns.iter().any(|options| is_turned(&options)), "turns");
    let train = format!("train walk.mp4 --locate --frames 12 {SMALL} --out m.safetensors");
    succeeds(&autolink(&folder, &train));
    let annotate = "annotate walk.mp4 --locate --model m.safetensors --format json --out json";
    succeeds(&autolink(&folder, annotate));
    let images = json(&folder.join("json/annotations.json"))["images"].take();
    let images = images.as_array().expect("images");
    assert_eq!(images.len(), 80);
    let [width, height] = SIZE.map(f64::from);
    // Shown after a quarter turn, to one side or the other.
    let shown: [&dyn Fn([f64; 2]) -> [f64; 2]; 2] =
        [&|[x, y]| [height - y, x], &|[x, y]| [y, width - x]];
    let lies_upright = |(i, image): (usize, &Value), place: &dyn Fn([f64; 2]) -> [f64; 2]| {
        assert_eq!(
            (image["width_px"].as_u64(), image["height_px"].as_u64()),
            (Some(180), Some(240))
        );
        let crop: Crop = serde_json::from_value(image["crop"].clone()).expect("a crop");
        let [head, tail] = [0.5, -0.5].map(|part| crop.to_crop(place(walk(i).on_axis(part))));
        (head[0] - 0.5).abs() < 0.12
            && head[1] < 0.4
            && (tail[0] - 0.5).abs() < 0.12
            && tail[1] > 0.6
    };
    let fits = |place: &&dyn Fn([f64; 2]) -> [f64; 2]| {
        images
            .iter()
            .enumerate()
            .all(|frame| lies_upright(frame, *place))
    };
    assert_eq!(shown.iter().filter(|place| fits(place)).count(), 1);
}

#[test]
fn landmarks_of_located_images_are_regressed_in_their_crops() {
    let folder = folder("images");
    fs::create_dir(folder.join("frames")).expect("a folder");
    let mut table = String::from("file,head_x,head_y,back_x,back_y\n");
    for i in 0..40 {
        let animal = walk(2 * i);
        let name = format!("frames/{i:02}.png");
        drawn(&[animal], 0)
            .save(folder.join(&name))
            .expect("writes");
        let [head, back] = [0.5, -0.5].map(|part| animal.on_axis(part));
        let fraction =
            |[x, y]: [f64; 2]| format!("{},{}", x / f64::from(SIZE[0]), y / f64::from(SIZE[1]));
        table += &format!("{name},{},{}\n", fraction(head), fraction(back));
    }
    fs::write(folder.join("all.csv"), &table).expect("writes");
    let few: Vec<&str> = table.lines().take(11).collect();
    fs::write(folder.join("few.csv"), few.join("\n")).expect("writes");
    // An image of a camera of its own, which is not among the labels.
    RgbImage::new(20, 20)
        .save(folder.join("other.png"))
        .expect("writes");

    let (_, printed) = succeeds(&autolink(
        &folder,
        &format!("train . --locate {SMALL} --out m.safetensors"),
    ));
    for part in [
        "Found the animal in frames",
        "Skipped these images: There are too few frames",
        "40 images from",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let eval = "eval --model m.safetensors --images . --landmarks all.csv";
    let (stdout, _) = succeeds(&autolink(&folder, &format!("{eval} --locate")));
    let located: Value = serde_json::from_str(&stdout).expect("JSON");
    let (stdout, warned) = succeeds(&autolink(&folder, eval));
    let whole: Value = serde_json::from_str(&stdout).expect("JSON");
    assert!(warned.contains("Give --locate"), "{warned}");
    let value = |line: &Value, name: &str| line[name].as_f64().expect("a number");
    // In a crop that is turned with the body, its ends hardly move.
    assert!(value(&located, "baseline") < 0.1, "{located}");
    assert!(value(&whole, "baseline") > 0.25, "{whole}");
    assert!(whole.get("error_px").is_none());
    let side_px = value(&located, "error_px") / value(&located, "error");
    assert!((1.3..2.2).contains(&(side_px / LENGTH)), "{side_px}");

    let landmarks = "landmarks frames --locate --model m.safetensors --landmarks few.csv --format json --out out";
    let (stdout, _) = succeeds(&autolink(&folder, landmarks));
    for line in stdout.lines() {
        let line: Value = serde_json::from_str(line).expect("JSON");
        assert!(value(&line, "error_px") < LENGTH / 4.0, "{line}");
    }
    let images = json(&folder.join("out/annotations.json"))["images"].take();
    for (i, image) in images.as_array().expect("images").iter().enumerate() {
        for (l, part) in [0.5, -0.5].into_iter().enumerate() {
            let point = &image["points"][l];
            let [x, y] = walk(2 * i).on_axis(part);
            let off = (value(point, "x_px") - x).hypot(value(point, "y_px") - y);
            assert!(off < LENGTH / 3.0, "image {i}, landmark {l}: {off} px off");
        }
    }

    let mixed = folder.join("mixed");
    fs::create_dir(&mixed).expect("a folder");
    for i in 0..6 {
        let image = drawn(&[walk(10 * i)], 0);
        let image = image::imageops::crop_imm(&image, 0, 0, 240 - i as u32, 180).to_image();
        image.save(mixed.join(format!("{i}.png"))).expect("writes");
    }
    fails_with(
        &autolink(
            &folder,
            &format!("train mixed --locate {SMALL} --out n.safetensors"),
        ),
        "The animal was not found in these images. A frame is 239 x 180 px, but the first is 240 x 180 px.",
    );
    fails_with(
        &autolink(
            &folder,
            &format!("train synthetic:4 --locate {SMALL} --out n.safetensors"),
        ),
        "Leave --locate out",
    );
}

#[test]
fn videos_without_a_still_camera_or_a_moving_thing_give_a_sentence() {
    if !has_ffmpeg() {
        return;
    }
    let folder = folder("sentences");
    fs::create_dir(folder.join("day")).expect("a folder");
    video(
        &folder.join("still.mp4"),
        (0..30).map(|_| drawn(&[walk(0)], 0)),
    );
    video(
        &folder.join("panned.mp4"),
        (0..40).map(|i| drawn(&[walk(i)], 5 * i as u32)),
    );
    video(
        &folder.join("two.mp4"),
        (0..40).map(|i| drawn(&[walk(2 * i), walk(2 * i + 40)], 0)),
    );
    for (name, sentence) in [
        (
            "still.mp4",
            "The animal was not found in still.mp4. Nothing moves in these frames",
        ),
        (
            "panned.mp4",
            "The animal was not found in panned.mp4. The camera moves",
        ),
        (
            "two.mp4",
            "The animal was not found in two.mp4. No frame shows exactly one thing that moves",
        ),
    ] {
        let train = format!("train {name} --locate {SMALL} --out m.safetensors");
        fails_with(&autolink(&folder, &train), sentence);
        assert!(!folder.join("m.safetensors").exists());
    }
    // Another video can still be used.
    fs::rename(folder.join("still.mp4"), folder.join("day/still.mp4")).expect("moves");
    video(
        &folder.join("day/walk.mp4"),
        (0..80).map(|i| drawn(&[walk(i)], 0)),
    );
    let train = format!("train day --locate {SMALL} --out m.safetensors");
    let (_, printed) = succeeds(&autolink(&folder, &train));
    for part in [
        "All 80 frames can be used.",
        "Skipped still.mp4: Nothing moves",
        "80 images from day",
    ] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
}
