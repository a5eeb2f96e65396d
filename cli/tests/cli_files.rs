//! Input files of the command line (names, patterns, zip files, files that are not images), and images beside labels.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use autolink::data::synthetic;
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("files")
        .join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).expect("a folder");
    path
}

fn autolink(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_autolink"))
        .args(arguments)
        .output()
        .expect("runs")
}

fn stderr(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// Runs a command that must succeed, and returns its standard error.
fn succeeds(arguments: &[&str]) -> String {
    let output = autolink(arguments);
    let stderr = stderr(&output);
    assert!(output.status.success(), "{stderr}");
    stderr
}

/// Runs a command that must fail, and returns its standard error.
fn fails(arguments: &[&str]) -> String {
    let output = autolink(arguments);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    stderr(&output)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

/// Trains a model for one step, once for all tests.
fn model() -> &'static str {
    static MODEL: OnceLock<PathBuf> = OnceLock::new();
    let path = MODEL.get_or_init(|| {
        let path = folder("model").join("m.safetensors");
        let settings = "--size 32 --width 4 --keypoints 4 --batch 4 --loss pixel --steps 1";
        let mut arguments = vec!["train", "synthetic:8", "--out", text(&path)];
        arguments.extend(settings.split(' '));
        succeeds(&arguments);
        path
    });
    text(path)
}

fn puppet(number: usize) -> Vec<u8> {
    synthetic::puppet_png(number, 3, 48).expect("a PNG")
}

/// Writes files below a folder.
fn put(to: &Path, files: &[(&str, &[u8])]) {
    for (name, bytes) in files {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("a file");
    }
}

fn zip(to: &Path, files: &[(&str, &[u8])]) {
    let mut zip = ZipWriter::new(File::create(to).expect("a file"));
    for (name, bytes) in files {
        zip.start_file(*name, SimpleFileOptions::default())
            .expect("a file");
        zip.write_all(bytes).expect("its bytes");
    }
    zip.finish().expect("a zip");
}

/// Runs `detect`, and returns the names of the images and its standard error.
fn detected(paths: &[&str]) -> (Vec<String>, String) {
    // One file per thread, since tests run in parallel.
    let name = format!("detected-{:?}.json", std::thread::current().id());
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name.replace(['(', ')'], ""));
    let _ = fs::remove_file(&out);
    let mut arguments = vec!["detect"];
    arguments.extend(paths);
    arguments.extend(["--model", model(), "--out", text(&out)]);
    let stderr = succeeds(&arguments);
    let found: Value = serde_json::from_slice(&fs::read(&out).expect("a file")).expect("JSON");
    let images = found["images"].as_object().expect("images");
    (images.keys().cloned().collect(), stderr)
}

#[test]
fn detect_gives_images_of_the_same_name_unique_names() {
    let folder = folder("one-name-twice");
    let [one, two] = [1, 2].map(puppet);
    put(
        &folder,
        &[
            ("s1/img.png", &one),
            ("s2/img.png", &two),
            ("s2/x.png", &two),
        ],
    );
    let [s1, s2] = ["s1", "s2"].map(|name| folder.join(name));
    let (names, _) = detected(&[text(&s1), text(&s2)]);
    assert_eq!(names, ["s1/img.png", "s2/img.png", "x.png"]);
    // The same path twice is one image.
    let (names, _) = detected(&[text(&s2), text(&s2.join("x.png"))]);
    assert_eq!(names, ["img.png", "x.png"]);
    // Two zips.
    let [a, b] = ["a.zip", "b.zip"].map(|name| folder.join(name));
    zip(&a, &[("img.png", &one), ("only.png", &one)]);
    zip(&b, &[("img.png", &two)]);
    let (names, _) = detected(&[text(&a), text(&b)]);
    assert_eq!(names, ["a.zip/img.png", "b.zip/img.png", "only.png"]);
    // The labels have both images as well, and the images are placed beside them.
    let out = folder.join("yolo");
    succeeds(&[
        "annotate",
        text(&s1),
        text(&s2),
        "--model",
        model(),
        "--format",
        "yolo",
        "--out",
        text(&out),
    ]);
    let mut images = Vec::new();
    for split in ["train", "val"] {
        for name in ["s1/img.png", "s2/img.png", "x.png"] {
            if let Ok(bytes) = fs::read(out.join("images").join(split).join(name)) {
                assert!(
                    out.join("labels")
                        .join(split)
                        .join(name)
                        .with_extension("txt")
                        .is_file()
                );
                images.push((name, bytes));
            }
        }
    }
    images.sort();
    assert_eq!(
        images,
        [
            ("s1/img.png", one),
            ("s2/img.png", two.clone()),
            ("x.png", two)
        ]
    );
}

#[test]
fn detect_expands_patterns() {
    let folder = folder("patterns");
    let png = puppet(1);
    put(
        &folder,
        &[
            ("new/a.png", &png),
            ("new/b.png", &png),
            ("new/c.txt", b"text"),
            ("new/[d]*.png", &png),
        ],
    );
    let (names, stderr) = detected(&[text(&folder.join("new/*.png"))]);
    assert_eq!(names, ["[d]*.png", "a.png", "b.png"]);
    assert!(!stderr.contains("Skipped"), "{stderr}");
    // A pattern that is the name of a file stands for that file.
    let (names, _) = detected(&[text(&folder.join("new/[d]*.png"))]);
    assert_eq!(names, ["[d]*.png"]);
    for (pattern, sentence) in [
        ("new/*.jpg", "No file matches the pattern"),
        ("new/[", "neither a file nor a valid pattern"),
        ("gone.png", "cannot be read"),
    ] {
        let path = folder.join(pattern);
        let stderr = fails(&[
            "detect",
            text(&path),
            "--model",
            model(),
            "--out",
            text(&folder.join("o.json")),
        ]);
        assert!(stderr.contains(sentence), "{stderr}");
    }
}

#[test]
fn detect_skips_files_that_are_not_images() {
    let folder = folder("odd");
    let png = puppet(1);
    put(
        &folder,
        &[
            ("a.png", &png),
            ("sub/CollectedData_me.csv", b"scorer,me,me\n"),
            ("empty.png", b""),
        ],
    );
    // Sparse files of 20 GB.
    for (name, start) in [
        ("video.mp4", &b"\0\0\0\x18ftypisom"[..]),
        ("zeros.bin", b""),
        ("huge.png", b"\x89PNG\r\n\x1a\n"),
    ] {
        let mut file = File::create(folder.join(name)).expect("a file");
        file.write_all(start).expect("its start");
        file.set_len(20_000_000_000).expect("a sparse file");
    }
    let mut huge = File::create(folder.join("huge.zip")).expect("a file");
    huge.write_all(b"PK\x03\x04").expect("its start");
    huge.set_len(2300 << 20).expect("a sparse file");
    let (names, stderr) = detected(&[text(&folder)]);
    assert_eq!(names, ["a.png"]);
    for sentence in [
        // With ffmpeg it has no readable frames; without, ffmpeg is missed.
        "Skipped video.mp4: ",
        "Skipped zeros.bin: This is not an image",
        "Skipped huge.png: The file has more than 256 MiB",
        "Skipped huge.zip: The zip file is damaged or incomplete",
        "Skipped empty.png: The file is empty",
        "Skipped sub/CollectedData_me.csv: It holds labels",
    ] {
        assert!(stderr.contains(sentence), "{sentence}: {stderr}");
    }
}

#[cfg(unix)]
#[test]
fn detect_skips_pipes_and_circular_links() {
    let folder = folder("circles");
    put(&folder, &[("a.png", &puppet(1)), ("sub/b.png", &puppet(2))]);
    let link = |to: &Path, name: &str| {
        std::os::unix::fs::symlink(to, folder.join(name)).expect("a link");
    };
    link(&folder, "sub/up");
    link(&folder.join("gone"), "broken.png");
    link(&folder.join("loop.png"), "loop.png");
    link(&folder.join("a.png"), "linked.png");
    let made = Command::new("mkfifo").arg(folder.join("pipe.png")).status();
    assert!(made.expect("mkfifo").success());
    let (names, stderr) = detected(&[text(&folder)]);
    assert_eq!(names, ["a.png", "linked.png", "sub/b.png"]);
    for sentence in [
        "Skipped pipe.png: It is a device or a pipe",
        "Skipped sub/up: It is a link to a folder",
        "Skipped broken.png",
        "Skipped loop.png",
    ] {
        assert!(stderr.contains(sentence), "{sentence}: {stderr}");
    }
    let stderr = fails(&[
        "detect",
        text(&folder.join("pipe.png")),
        "--model",
        model(),
        "--out",
        text(&folder.join("o.json")),
    ]);
    assert!(stderr.contains("neither a file nor a folder"), "{stderr}");
}

#[test]
fn eval_finds_images_in_zips_and_in_any_normal_form() {
    let folder = folder("eval");
    let puppets: Vec<Vec<u8>> = (0..8).map(puppet).collect();
    // File names are decomposed (NFD), names in the table composed (NFC).
    let names: Vec<String> = (0..8)
        .map(|i| format!("set/Gro\u{308}\u{df}e-{i}.png"))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(String::as_str)
        .zip(puppets.iter().map(Vec::as_slice))
        .collect();
    let photos = folder.join("photos.zip");
    zip(&photos, &files);
    put(&folder.join("photos"), &files);
    let mut table = String::from("file,tip_x,tip_y\n");
    for i in 0..8 {
        table += &format!("set/Gr\u{f6}\u{df}e-{i}.png,0.{i},0.5\n");
    }
    put(&folder, &[("table.csv", table.as_bytes())]);
    let table = folder.join("table.csv");
    let score = |images: &Path| {
        let output = autolink(&[
            "eval",
            "--model",
            model(),
            "--images",
            text(images),
            "--landmarks",
            text(&table),
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let (in_zip, in_folder) = (score(&photos), score(&folder.join("photos")));
    assert_eq!(in_zip, in_folder);
    assert_eq!(
        in_zip["n_fit"]
            .as_u64()
            .zip(in_zip["n_test"].as_u64())
            .map(|(fit, test)| fit + test),
        Some(8)
    );
}

/// Reads the pixels and the size of a file, ignoring its EXIF orientation.
fn plain(path: &Path) -> (Vec<u8>, [u32; 2]) {
    let image = image::open(path).expect("an image").into_rgb8();
    let size = [image.width(), image.height()];
    (image.into_raw(), size)
}

#[test]
fn annotate_places_upright_images_where_the_tool_expects_them() {
    let folder = folder("beside");
    let pictures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/pictures");
    let read = |name: &str| fs::read(pictures.join(name)).expect("a picture");
    let [upright, turned] = ["rgb.jpg", "orientation-6.jpg"].map(read);
    put(
        &folder.join("in"),
        &[("up.jpg", &upright), ("turned.jpg", &turned)],
    );
    let source = folder.join("in");
    let annotate = |format: &str, more: &[&str]| -> PathBuf {
        let out = folder.join(format!("{format}{}", more.concat()));
        let mut arguments = vec![
            "annotate",
            text(&source),
            "--model",
            model(),
            "--format",
            format,
            "--out",
            text(&out),
        ];
        arguments.extend(more);
        succeeds(&arguments);
        out
    };
    for (format, place) in [
        ("cvat", "images"),
        ("coco-cvat", "images/default"),
        ("coco-deeplabcut", "images"),
        ("deeplabcut", "labeled-data/pictures"),
        ("svg", ""),
    ] {
        let out = annotate(format, &[]).join(place);
        assert_eq!(
            fs::read(out.join("up.jpg")).expect("copied"),
            upright,
            "{format}: byte for byte"
        );
        let (pixels, size) = plain(&out.join("turned.jpg"));
        assert_eq!(size, [60, 40], "{format}");
        assert!(
            pixels[0] > 180 && pixels[1] < 90,
            "{format}: red in the upper left corner"
        );
    }
    for (format, more) in [
        ("coco", &[][..]),
        ("csv", &[]),
        ("png", &[]),
        ("cvat", &["--images", "none"]),
    ] {
        let out = annotate(format, more);
        assert!(
            !out.join("up.jpg").exists() && !out.join("images").exists(),
            "{format}"
        );
    }
    let linked = annotate("cvat", &["--images", "link"]).join("images");
    assert_eq!(fs::read(linked.join("up.jpg")).expect("linked"), upright);
    assert_eq!(plain(&linked.join("turned.jpg")).1, [60, 40]);
    assert_eq!(
        fs::read(source.join("turned.jpg")).expect("as it was"),
        turned
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let [a, b] = [source.join("up.jpg"), linked.join("up.jpg")]
            .map(|path| fs::metadata(path).expect("there").ino());
        assert_eq!(a, b, "one file with two names");
    }
    // Overlays in the folder of the images leave these unchanged.
    succeeds(&[
        "annotate",
        text(&source),
        "--model",
        model(),
        "--format",
        "svg",
        "--out",
        text(&source),
    ]);
    assert_eq!(
        fs::read(source.join("turned.jpg")).expect("as it was"),
        turned
    );
    assert!(source.join("turned.jpg.svg").is_file());
}

#[cfg(unix)]
#[test]
fn annotate_replaces_names_that_windows_rejects() {
    let folder = folder("windows");
    let png = puppet(1);
    put(
        &folder.join("in"),
        &[("12:30.png", &png), ("12_30.png", &png), ("aux.png", &png)],
    );
    let out = folder.join("out");
    succeeds(&[
        "annotate",
        text(&folder.join("in")),
        "--model",
        model(),
        "--format",
        "cvat",
        "--out",
        text(&out),
    ]);
    let labels = fs::read_to_string(out.join("annotations.xml")).expect("labels");
    for name in ["12_30 (2).png", "12_30.png", "_aux.png"] {
        assert!(out.join("images").join(name).is_file(), "{name}");
        assert!(labels.contains(&format!("name=\"{name}\"")), "{labels}");
    }
}

#[test]
fn annotate_rejects_images_that_would_share_a_label_file() {
    let folder = folder("share");
    let png = puppet(1);
    put(
        &folder.join("in"),
        &[("a/b/c.png", &png), ("a-b/c.png", &png)],
    );
    let stderr = fails(&[
        "annotate",
        text(&folder.join("in")),
        "--model",
        "no model yet",
        "--format",
        "deeplabcut",
        "--out",
        text(&folder.join("out")),
    ]);
    assert!(
        stderr.contains("both become labeled-data/a-b/c.png"),
        "{stderr}"
    );
}
