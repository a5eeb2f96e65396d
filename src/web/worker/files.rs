//! Files of the browser's: reading the page's, and making new ones.

use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::checkpoint::torch::ReadAt;
use crate::error::{Error, Result};
use crate::web::fetch;

/// Size of the pieces in which a file is handed to the browser, bytes.
const PIECE: usize = 4 << 20;

/// Files of the page, with their names.
pub(super) type Files = Vec<(String, Blob)>;

/// A file of the page, read by slices without blocking.
pub(super) struct BlobFile(pub(super) Blob);

impl ReadAt for BlobFile {
    fn size(&self) -> u64 {
        self.0.size() as u64
    }

    async fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let end = offset as f64 + length as f64;
        let unreadable = |error| {
            Error::File(format!(
                "The file cannot be read ({}). If it was moved or changed, choose it again.",
                fetch::error_text(error)
            ))
        };
        let slice = self
            .0
            .slice_with_f64_and_f64(offset as f64, end)
            .map_err(unreadable)?;
        let buffer = JsFuture::from(slice.array_buffer())
            .await
            .map_err(unreadable)?;
        Ok(Uint8Array::new(&buffer).to_vec())
    }
}

/// Reads a whole file.
pub(super) async fn read_all(file: &Blob) -> Result<Vec<u8>> {
    BlobFile(file.clone())
        .read_at(0, file.size() as usize)
        .await
}

/// Makes a file of the browser's from bytes.
pub(super) fn blob(bytes: &[u8]) -> Result<Blob> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes)))
        .map_err(|error| Error::File(fetch::error_text(error)))
}

/// A file that is written piece by piece. Each piece is handed to the browser, so that the whole need not lie in memory.
#[derive(Default)]
pub(super) struct Pieces {
    done: Array,
    last: Vec<u8>,
}

impl Pieces {
    fn hand_over(&mut self) -> Result<()> {
        let piece: JsValue = blob(&self.last)?.into();
        self.done.push(&piece);
        self.last.clear();
        Ok(())
    }

    pub(super) fn into_blob(mut self) -> Result<Blob> {
        self.hand_over()?;
        Blob::new_with_blob_sequence(&self.done)
            .map_err(|error| Error::File(fetch::error_text(error)))
    }
}

impl std::io::Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.last.extend(bytes);
        if self.last.len() >= PIECE {
            self.hand_over().map_err(std::io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
