//! Tables and labels of other programs on the command line: `landmarks`, `eval` and `annotate --against`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use autolink::data::synthetic;
use image::{ColorType, ImageFormat, save_buffer_with_format};
use serde_json::Value;

/// A folder with images of 48 x 48 px and a model that was trained for one step.
struct Place(PathBuf);

const IMAGES: [&str; 6] = ["a.png", "b.png", "c.png", "d.png", "e.png", "sub/f.png"];

impl Place {
    fn new(name: &str) -> Place {
        let place = Place(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        let _ = fs::remove_dir_all(&place.0);
        fs::create_dir_all(place.0.join("images/sub")).expect("a folder");
        let puppets = synthetic::puppets(IMAGES.len(), 3, 48);
        for (i, name) in IMAGES.iter().enumerate() {
            let pixels = puppets.dataset.pixels(i);
            let path = place.0.join("images").join(name);
            save_buffer_with_format(path, pixels, 48, 48, ColorType::Rgb8, ImageFormat::Png)
                .expect("an image");
        }
        let settings = "--keypoints 4 --size 32 --width 4 --batch 2 --loss pixel --steps 1";
        let trained = place.run(
            [
                "train",
                "synthetic:4",
                "--out",
                &place.path("model.safetensors"),
            ]
            .into_iter()
            .chain(settings.split(' ')),
        );
        assert!(trained.status.success(), "{}", stderr(&trained));
        place
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("a plain path").into()
    }

    fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        Command::new(env!("CARGO_BIN_EXE_autolink"))
            .args(arguments)
            .output()
            .expect("runs")
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        fs::write(self.0.join(name), bytes).expect("written");
        self.path(name)
    }

    /// Runs `landmarks`, and returns its output and what it wrote.
    fn landmarks(&self, table: &str) -> (Output, Value) {
        let stem = Path::new(table).file_stem().expect("a name");
        let out = self.path(&format!("out-{}", stem.to_string_lossy()));
        let _ = fs::remove_dir_all(&out);
        let model = self.path("model.safetensors");
        let images = self.path("images");
        let output = self.run([
            "landmarks",
            &images,
            "--model",
            &model,
            "--landmarks",
            table,
            "--format",
            "json",
            "--out",
            &out,
        ]);
        let text = fs::read_to_string(Path::new(&out).join("annotations.json")).unwrap_or_default();
        (output, serde_json::from_str(&text).unwrap_or_default())
    }

    fn eval(&self, table: &str) -> Output {
        let (model, images) = (self.path("model.safetensors"), self.path("images"));
        self.run([
            "eval",
            "--model",
            &model,
            "--images",
            &images,
            "--landmarks",
            table,
        ])
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Checks whether a landmark lies at a position, px, and whether a person placed it.
fn lies_at(annotations: &Value, image: &str, landmark: usize, at_px: [f64; 2]) -> (bool, bool) {
    let images = annotations["images"].as_array().expect("images");
    let image = images.iter().find(|one| one["file_name"] == image);
    let point = &image.expect("the image")["points"][landmark];
    let off = |field: &str, at: f64| (point[field].as_f64().expect("a number") - at).abs();
    let is_there = off("x_px", at_px[0]) < 1e-9 && off("y_px", at_px[1]) < 1e-9;
    (is_there, point["corrected"].as_bool().expect("a flag"))
}

#[test]
fn commands_read_tables_of_other_programs() {
    let place = Place::new("labels");
    // "ear" is blank on one image, and x.png does not exist.
    let rows = "a.png,0.5,0.25,,\nb.png,0.4,0.5,0.2,0.2\nc.png,0.3,0.4,0.1,0.2\nd.png,0.3,0.3,0.2,0.2\nx.png,0.3,0.3,0.2,0.2\n";
    let table = format!("file,\"nose, left_x\",\"nose, left_y\",ear_x,ear_y\n{rows}");
    let blank = place.put("blank.csv", &table);
    let (output, found) = place.landmarks(&blank);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("Labels for 4 images; 1 is not here, for example x.png"),
        "{}",
        stderr(&output)
    );
    assert_eq!(found["keypoints"][0]["name"], "nose, left");
    assert_eq!(lies_at(&found, "a.png", 0, [24.0, 12.0]), (true, true));
    let (_, is_placed) = lies_at(&found, "a.png", 1, [0.0; 2]);
    assert!(!is_placed, "predicted where it is blank");
    assert_eq!(lies_at(&found, "b.png", 1, [9.6, 9.6]), (true, true));
    let output = place.eval(&blank);
    let score: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    assert_eq!(
        (&score["n_fit"], &score["n_test"]),
        (&3.into(), &1.into()),
        "{}",
        stderr(&output)
    );

    // All of these tables hold the same landmarks.
    let quoted = table.replace(",0.5,0.25,,", ",\"0.5\",\"0.25\",\"\",\"\"");
    let semicolons = table
        .replace(',', ";")
        .replace("nose; left", "nose, left")
        .replace("0.", "0,");
    let utf_16: Vec<u8> = (table.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let trailing = table.replace('\n', ",\n");
    let cases = [
        ("quoted.csv", quoted.into_bytes(), ""),
        ("semicolons.csv", semicolons.into_bytes(), "semicolons"),
        (
            "utf-16.csv",
            [b"\xff\xfe".to_vec(), utf_16.clone()].concat(),
            "UTF-16",
        ),
        ("unmarked.csv", utf_16, "UTF-16"),
        ("trailing.csv", trailing.into_bytes(), ""),
    ];
    for (name, bytes, note) in cases {
        let (output, same) = place.landmarks(&place.put(name, bytes));
        assert!(output.status.success(), "{name}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(note),
            "{name}: {}",
            stderr(&output)
        );
        assert_eq!(same, found, "{name}");
    }

    // Tables of other tools, in px, one of them with an individual.
    let animal = "scorer,me,me\nindividuals,m1,m1\nbodyparts,nose,nose\ncoords,x,y\na.png,10,20\nb.png,12,21\nc.png,9,22\nsub/f.png,9,20\n";
    let (output, found) = place.landmarks(&place.put("animal.csv", animal));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(lies_at(&found, "sub/f.png", 0, [9.0, 20.0]), (true, true));
    let predictions = "scorer,hm,hm,hm,set\nbodyparts,nose,nose,nose,\ncoords,x,y,likelihood,\na.png,10,20,0.9,train\nb.png,12,21,0.8,train\nc.png,9,22,0.95,train\n";
    let predictions = place.put("predictions.csv", predictions);
    let (output, found) = place.landmarks(&predictions);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("ignored: 1, set"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        lies_at(&found, "a.png", 0, [10.0, 20.0]),
        (true, false),
        "a prediction stays one"
    );
    let output = place.eval(&predictions);
    assert!(output.status.success(), "{}", stderr(&output));

    for (name, text, sentence) in [
        (
            "pixels.csv",
            "file,a_x,a_y\na.png,10,20\nb.png,12,21\nc.png,9,22\n",
            "look like pixels",
        ),
        (
            "few.csv",
            "file,a_x,a_y\na.png,0.1,0.2\nb.png,0.1,0.2\n",
            "at least 3",
        ),
        (
            "none.csv",
            "file,a_x,a_y\na.png,,\nb.png,nan,\n",
            "no image with a landmark",
        ),
        ("header.csv", "file,a_x,a_y\n", "no lines for images"),
        ("empty.csv", "", "is empty"),
    ] {
        let (output, _) = place.landmarks(&place.put(name, text));
        assert_eq!(output.status.code(), Some(1), "{name}: {}", stderr(&output));
        assert!(
            stderr(&output).contains(sentence),
            "{name}: {}",
            stderr(&output)
        );
    }
}
