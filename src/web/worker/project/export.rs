//! Files of the project for other tools, and the files of its images.

use std::collections::HashMap;

use web_sys::Blob;

use super::Place;
use crate::annotate::formats::{self, Format};
use crate::annotate::project::Layer;
use crate::data::{archive, inputs};
use crate::error::{Error, Result};
use crate::web::worker::Engine;
use crate::web::worker::files::{Pieces, blob};
use crate::web::worker::messages::{Progress, post_file};

impl Engine {
    /// Exports the project in a tool's format: one file, or a zip of several, into which images go one at a time. Returns its name and
    /// the file.
    pub(super) async fn export(
        &mut self,
        layer: Layer,
        format: Format,
        with_images: bool,
    ) -> Result<(String, Blob)> {
        let annotations = self.project()?.annotations(layer)?;
        let files = formats::export(&annotations, format)?;
        if files.len() == 1 && !with_images {
            let file = &files[0];
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            return Ok((name.to_string(), blob(&file.bytes)?));
        }
        let paths = if with_images || format == Format::Png {
            format.image_paths(&annotations)
        } else {
            Vec::new()
        };
        let mut pieces = Pieces::default();
        let mut zip = formats::Zip::new(&mut pieces);
        for file in files {
            zip.add(file)?;
        }
        let mut progress = Progress::new("Packing images");
        let total = paths.len();
        for (i, path) in paths.into_iter().enumerate() {
            let image = &annotations.images[i];
            let id = self.project()?.id_of(&image.name());
            let place = id.and_then(|id| self.project_files.get(&id));
            let Some((file, place)) = place.filter(|(file, _)| file.size() > 0.0) else {
                continue; // the file is missing, or a frame that the page did not provide
            };
            let bytes = inputs::read(file, place.as_ref()).map_err(Error::File)?;
            zip.add(formats::image_file(
                &annotations,
                image,
                format,
                path,
                bytes,
            )?)?;
            progress.report(i + 1, Some(total));
        }
        zip.finish()?;
        Ok((format!("{}.zip", format.name()), pieces.into_blob()?))
    }
}

/// Sends the file of an image of the project to the page; an image in a zip is unpacked.
pub(super) fn post_image(id: u32, places: &HashMap<u32, Place>, image: u32) -> Result<()> {
    let missing = || Error::File("The image file is missing. Drop it in to see it.".into());
    let (file, place) = places.get(&image).ok_or_else(missing)?;
    match place {
        None => post_file(id, "image".into(), file),
        Some(place) => {
            let bytes = archive::unpack(file, place).map_err(Error::File)?;
            post_file(id, "image".into(), &blob(&bytes)?);
        }
    }
    Ok(())
}
