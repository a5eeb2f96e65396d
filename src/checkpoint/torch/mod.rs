//! Reads the authors' checkpoints, PyTorch's `.ckpt` and `.pt`, by ranges and without running any code in them.
//!
//! Such a file is a zip of stored entries: `<name>/data.pkl` describes the content, `<name>/data/<n>` hold the numbers.
//! A real one has 130 to 340 MB, most of it the optimiser's state and VGG16. Only its directory, its pickle and the
//! storages of the model's tensors are read.
//!
//! A pickle is a program for a stack machine that may call anything in Python. Here it can build plain values and
//! refer to tensors. `Pickle::call` lists the allowed calls; all others are rejected by name.

mod archive;
mod file;
mod pickle;
#[cfg(test)]
mod samples;
mod settings;
mod tensors;

use std::collections::HashMap;
use std::fmt::Display;

use archive::Archive;
pub use file::ReadAt;
use pickle::{Pickle, Value};

use crate::error::{Error, Result};

/// Maximum number of tensors of a model. The authors' model has about 200.
const MAX_TENSORS: usize = 1000;

/// Maximum number of elements of all tensors together: four times the authors' model of width 64, or 512 MB.
const MAX_ELEMENTS: u64 = 1 << 27;

/// Maximum length of the name of a tensor, a setting or a storage, bytes.
const MAX_NAME: usize = 200;

/// The model in a checkpoint.
#[derive(Debug)]
pub struct TorchCheckpoint {
    /// Parameters and running statistics of encoder and decoder by the authors' names: shape and row-major values.
    pub tensors: HashMap<String, (Vec<usize>, Vec<f32>)>,
    /// Numbers among the `hyper_parameters`: `n_parts`, `missing`, `block`, `thick`, `sklr`, `image_size`, `lr`,
    /// `batch_size`. Empty if the file is a bare `state_dict`.
    pub settings: HashMap<String, f64>,
    /// Number of training steps, 0 if the file has no `global_step`.
    pub step: u64,
}

/// Reads a checkpoint of Lightning or a bare `state_dict`. See `tests/parity.rs`.
///
/// Memory use stays below the size of the tensors plus 16 MB.
///
/// # Errors
/// [`Error::Model`] if the file is not PyTorch's zip, is truncated or contradictory, calls something, or has no model;
/// [`Error::File`] if it cannot be read.
pub async fn read<F: ReadAt + ?Sized>(file: &F) -> Result<TorchCheckpoint> {
    let archive = Archive::open(file).await?;
    let bytes = archive.pickle().await?;
    let mut pickle = Pickle::new(&bytes);
    let root = pickle.run()?;

    let step = match pickle.get(root, "global_step") {
        Some(Value::Int(step)) => u64::try_from(step).unwrap_or(0),
        _ => 0,
    };
    let settings = settings::numbers(&pickle, root);

    let keys = ["state_dict", "model_state_dict", "model"];
    let state = keys.iter().find_map(|key| pickle.get(root, key));
    let mut views = HashMap::new();
    for (wrapped, value) in pickle.named(state.unwrap_or(root)) {
        let name = unwrapped(wrapped);
        if !is_model(&name) {
            continue;
        }
        let view = pickle.view(value);
        let view = view.map_err(|what| wrong_tensor(wrapped, what))?;
        if views
            .insert(name, (wrapped, view))
            .is_some_and(|(other, _)| other != wrapped)
        {
            return Err(wrong_tensor(
                wrapped,
                "it appears twice, with and without a wrapper's prefix",
            ));
        }
        if views.len() > MAX_TENSORS {
            return Err(wrong("it has too many tensors"));
        }
    }
    if views.is_empty() {
        return Err(Error::Model(
            "This checkpoint does not contain an AutoLink model: none of its tensors belongs to an encoder or a decoder."
                .into(),
        ));
    }
    let elements: u64 = views.values().map(|(_, view)| view.span).sum();
    let bytes: u64 = (views.values())
        .map(|(_, view)| view.span * view.number_type.size())
        .sum();
    if elements > MAX_ELEMENTS || bytes > file.size() {
        return Err(wrong("its tensors are larger than the file"));
    }

    // All tensors are checked before the first one is read.
    let mut located = Vec::new();
    for (name, (wrapped, view)) in views {
        located.push((name, archive.locate(wrapped, &view).await?, view));
    }
    let mut tensors = HashMap::new();
    for (name, offset, view) in located {
        let values = archive.values(offset, &view).await?;
        let shape = view.axes.iter().map(|axis| axis.size as usize).collect();
        tensors.insert(name, (shape, values));
    }
    Ok(TorchCheckpoint {
        tensors,
        settings,
        step,
    })
}

/// Returns whether a file begins like a pickle, as files of PyTorch before 1.6 do, which are not zips.
pub(super) fn is_pickle(start: &[u8]) -> bool {
    matches!(start, [0x80, 1..=5, ..])
}

/// Removes from a tensor's name what `torch.compile`, `DataParallel` and other wrappers add to it.
fn unwrapped(name: &str) -> String {
    let wrappers = ["module", "_orig_mod"];
    let parts = name.split('.').filter(|part| !wrappers.contains(part));
    let name = parts.collect::<Vec<_>>().join(".");
    name.strip_prefix("model.")
        .map_or(name.clone(), str::to_string)
}

/// Returns whether a name of the `state_dict` belongs to the model. VGG16, the batch norms' counters and the detector's
/// table of coordinates do not.
fn is_model(name: &str) -> bool {
    let last = name.rsplit('.').next();
    (name.starts_with("encoder.") || name.starts_with("decoder."))
        && last != Some("num_batches_tracked")
        && last != Some("coord")
}

fn wrong(what: impl Display) -> Error {
    Error::Model(format!("This checkpoint cannot be read: {what}."))
}

fn wrong_tensor(name: &str, what: &str) -> Error {
    wrong(format!("{}: {what}", printable(name)))
}

/// Escapes and shortens a name from the file for use in a message.
fn printable(name: &str) -> String {
    name.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pollster::block_on;
    use proptest::prelude::*;

    use super::samples::*;
    use super::*;

    #[test]
    fn read_opens_the_authors_checkpoints() {
        for name in ["autolink_k8_w4", "autolink_k4_w8"] {
            let [Some(theirs), Some(expected)] = ["ckpt", "safetensors"]
                .map(|kind| crate::needs::shared(&format!("reference/{name}.{kind}")))
            else {
                continue;
            };
            let file = std::fs::File::open(theirs).expect("opens");
            let read = block_on(read(&file)).expect("reads");
            let expected = std::fs::read(expected).expect("is there");
            let expected = safetensors::SafeTensors::deserialize(&expected).expect("reads");
            let mut count = 0;
            for (name, view) in expected.tensors() {
                let Some(name) = name.strip_prefix("state/").filter(|name| is_model(name)) else {
                    continue;
                };
                let (shape, values) = &read.tensors[name];
                let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
                assert_eq!(
                    (&shape[..], &bytes[..]),
                    (view.shape(), view.data()),
                    "{name}"
                );
                count += 1;
            }
            assert_eq!(read.tensors.len(), count);
            let keypoints = if name == "autolink_k8_w4" { 8.0 } else { 4.0 };
            assert_eq!(read.settings["n_parts"], keypoints);
            assert_eq!(read.settings["sklr"], 512.0);
            assert_eq!(read.step, 1234);
        }
    }

    #[test]
    fn read_opens_lightning_checkpoints() {
        let read = quickly(&lightning()).expect("reads");
        let mut names: Vec<_> = read.tensors.keys().collect();
        names.sort();
        assert_eq!(names, ["decoder.alpha", "encoder.w"]);
        let matrix = (vec![2, 3], vec![6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(read.tensors["encoder.w"], matrix);
        assert_eq!(read.tensors["decoder.alpha"], (vec![], vec![5.0]));
        let settings = [
            ("n_parts", 4.0),
            ("thick", 1e-3),
            ("image_size", 128.0),
            ("missing", 1.0),
        ];
        assert_eq!(
            read.settings,
            settings
                .map(|(name, value)| (name.to_string(), value))
                .into()
        );
        assert_eq!(read.step, 1234);
    }

    #[test]
    fn read_unwraps_names() {
        let x = || tensor(NUMBERS, 0, &[1], &[1]);
        let names = |state: &[(&str, Vec<u8>)]| {
            let read = quickly(&file_of(&program(&dict(state))))?;
            let mut names: Vec<_> = read.tensors.into_keys().collect();
            names.sort();
            Ok::<_, Error>(names)
        };
        let wrapped = [
            ("module.encoder.a", x()),
            ("_orig_mod.encoder.b", x()),
            ("_orig_mod.module.encoder.c", x()),
            ("encoder._orig_mod.d", x()),
            ("model.module.decoder.e", x()),
            ("module.vgg.f", x()),
        ];
        let found = names(&wrapped).expect("reads");
        assert_eq!(
            found,
            [
                "decoder.e",
                "encoder.a",
                "encoder.b",
                "encoder.c",
                "encoder.d"
            ]
        );
        let twice = [("encoder.a", x()), ("module.encoder.a", x())];
        let message = names(&twice).expect_err("is unclear").to_string();
        assert!(message.contains("twice"), "{message}");
        for key in ["state_dict", "model_state_dict", "model"] {
            let inner = dict(&[("module.encoder.a", x())]);
            assert_eq!(names(&[(key, inner)]).expect(key), ["encoder.a"]);
        }
    }

    #[test]
    fn read_skips_unused_storages() {
        let pickle = program(&dict(&[("encoder.x", tensor(NUMBERS, 2, &[4], &[1]))]));
        let (optimiser, numbers) = (vec![0; 10 << 20], vec![0; 3 << 20]);
        let bytes = zip_of(&[
            ("m/data.pkl", 0, &pickle),
            ("m/data/5", 0, &optimiser),
            ("m/data/0", 0, &numbers),
        ]);
        let file = Counted {
            bytes: &bytes,
            read: Cell::new(0),
            reads: Cell::new(0),
        };
        block_on(read(&file)).expect("reads");
        assert!(file.read.get() < 70_000, "{} bytes read", file.read.get());
    }

    #[test]
    fn read_handles_the_corpus() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/torch_corpus");
        for file in std::fs::read_dir(folder).expect("is there") {
            let path = file.expect("is there").path();
            let read = quickly(&std::fs::read(&path).expect("reads"));
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("ckpt") => assert!(!read.expect("reads").tensors.is_empty()),
                Some("bad") => _ = read.expect_err("is refused"),
                _ => {}
            }
        }
    }

    // PROPTEST_CASES=1000000 runs these for longer.
    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn read_survives_random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = quickly(&bytes);
            let _ = quickly(&file_of(&bytes));
        }

        #[test]
        fn read_survives_broken_checkpoints(
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
            cut in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
        ) {
            let mut bytes = lightning();
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = quickly(&bytes);
        }
    }
}
