//! Opens any file with a model in it, recognised by its first bytes.

use burn::tensor::Device;

use super::torch::{self, ReadAt};
use super::{Loaded, load};
use crate::error::{Error, Result};

/// Number of bytes that are read at once.
const CHUNK: usize = 4 << 20;

/// Opens a model, a run or the authors' checkpoint. See `cli/tests/lost.rs`, which converts such files.
///
/// # Errors
/// [`Error::Model`] if the file is something else or damaged; [`Error::File`] if it cannot be read.
pub async fn open<F: ReadAt + ?Sized>(file: &F, device: &Device) -> Result<Loaded> {
    let size = file.size();
    let start = file.read_at(0, size.min(9) as usize).await?;
    if start.starts_with(b"\x1f\x8b") {
        return Err(Error::Model(
            "This file is compressed with gzip. Unpack it, then open the file inside.".into(),
        ));
    }
    let is_ours = start.ends_with(b"{") && start.len() == 9; // after the header's length
    if start.starts_with(b"PK") || torch::is_pickle(&start) && !is_ours {
        return torch::read(file).await?.into_model(device);
    }
    if !is_ours {
        return load(&start, device); // fails, without reading a large file
    }
    let mut bytes = Vec::new();
    while (bytes.len() as u64) < size {
        let left = size - bytes.len() as u64;
        let length = left.min(CHUNK as u64) as usize;
        bytes.extend(file.read_at(bytes.len() as u64, length).await?);
    }
    load(&bytes, device)
}

#[cfg(test)]
mod tests {
    use pollster::block_on;

    use super::*;
    use crate::checkpoint::{Precision, save};
    use crate::config::{Config, Preset};
    use crate::model::AutoLink;

    fn rejection(bytes: &[u8]) -> String {
        let opened = block_on(open(bytes, &Device::flex()));
        opened.err().expect("is refused").to_string()
    }

    #[test]
    fn open_recognises_files_by_their_first_bytes() {
        let (device, config) = (Device::flex(), Config::preset(Preset::Tiny));
        let model = AutoLink::init(&config, &device);
        let ours =
            block_on(save(&model, &config, 3, None, "1", Precision::Float16)).expect("saves");
        let opened = block_on(open(&ours[..], &device)).expect("opens");
        assert_eq!(opened.step, 3);
        let old = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/data/torch_corpus/before-1.6.bad"
        );
        let old = std::fs::read(old).expect("is there");
        let cases: [(&[u8], &str); 6] = [
            (&old, "PyTorch before 1.6"),
            (
                b"\x80\x04\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.",
                "PyTorch before 1.6",
            ),
            (b"\x1f\x8b\x08\0", "Unpack it"),
            (b"\0\0\0\x18ftypmp42", "safetensors"),
            (b"", "safetensors"),
            (b"\x80", "safetensors"),
        ];
        for (bytes, expected) in cases {
            let message = rejection(bytes);
            assert!(message.contains(expected), "{message}");
        }
    }

    #[test]
    fn open_tells_header_lengths_from_pickles() {
        // 0x0280 bytes of header: the same two bytes as protocol 2.
        let mut bytes = 0x0280u64.to_le_bytes().to_vec();
        bytes.extend(b"{}");
        assert!(rejection(&bytes).contains("safetensors"));
    }
}
