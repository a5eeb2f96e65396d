//! Files packed into one zip.

use std::io::Write;

use ::zip::write::{SimpleFileOptions, StreamWriter};
use ::zip::{CompressionMethod, ZipWriter};

use super::File;
use crate::error::{Error, Result};

/// Packs files into a zip in memory.
///
/// See `tests/annotation/sample.rs`.
///
/// # Errors
/// [`Error::File`] if two files have the same path.
pub fn zip(files: impl IntoIterator<Item = File>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    zip_to(&mut bytes, files)?;
    Ok(bytes)
}

/// Packs files into a zip that goes to a writer; see [`Zip`].
///
/// # Errors
/// [`Error::File`] if two files have the same path, or if the writer fails.
pub fn zip_to(to: impl Write, files: impl IntoIterator<Item = File>) -> Result<()> {
    let mut zip = Zip::new(to);
    for file in files {
        zip.add(file)?;
    }
    zip.finish()
}

/// A zip that is written file by file: annotations with all their images need no more memory than one image. The same files
/// give the same bytes.
///
/// See `zip_holds_all_files_and_is_reproducible` in this file.
pub struct Zip<W: Write>(ZipWriter<StreamWriter<W>>);

impl<W: Write> Zip<W> {
    /// Starts an empty zip.
    pub fn new(to: W) -> Self {
        Self(ZipWriter::new_stream(to))
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`Error::File`] if the zip has a file of this path already, or if the writer fails.
    pub fn add(&mut self, file: File) -> Result<()> {
        // Images are compressed already; but some readers cannot take a stream of stored files.
        let level = if is_text(&file.path) { 6 } else { 1 };
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(level));
        self.0
            .start_file(file.path.as_str(), options)
            .map_err(|e| failure(&file.path, &e))?;
        self.0
            .write_all(&file.bytes)
            .map_err(|e| failure(&file.path, &e))
    }

    /// Writes the central directory, without which the file is not a zip.
    ///
    /// # Errors
    /// [`Error::File`] if the writer fails.
    pub fn finish(self) -> Result<()> {
        self.0
            .finish()
            .map_err(|e| failure("the list of files", &e))?;
        Ok(())
    }
}

fn failure(path: &str, cause: &dyn std::fmt::Display) -> Error {
    Error::File(format!("{path} cannot be put into the zip: {cause}."))
}

fn is_text(path: &str) -> bool {
    [".json", ".csv", ".xml", ".txt", ".yaml", ".svg"]
        .iter()
        .any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn zip_holds_all_files_and_is_reproducible() {
        let files = vec![
            File::text("ü/手.csv", "a,b\n".repeat(1000)),
            File {
                path: "a.png".into(),
                bytes: vec![7; 99],
            },
        ];
        let bytes = zip(files.clone()).expect("a zip");
        assert_eq!(zip(files.clone()).expect("a zip"), bytes);
        let mut archive = ::zip::ZipArchive::new(std::io::Cursor::new(bytes)).expect("a zip");
        assert_eq!(archive.len(), 2);
        for file in &files {
            let mut entry = archive.by_name(&file.path).expect("the file");
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("reads");
            assert_eq!(content, file.bytes);
        }
        let twice = zip([files[0].clone(), files[0].clone()]);
        assert!(
            twice
                .expect_err("twice")
                .to_string()
                .contains("cannot be put into the zip")
        );
    }
}
