//! The two passes over the frames of one camera.

use image::RgbImage;

use super::scene::{MAX_SAMPLES, Sampler, Scene};
use super::sighting::Sighting;
use super::track::{Order, Track, TrackOptions};
use crate::error::Result;

/// Finds the animal in the frames of one camera: [`Search::sample`] takes a few frames for the background, then [`Search::look`] all of
/// them. Neither keeps a frame in its size. See `search_finds_what_the_two_passes_find` in this module's tests.
#[derive(Clone, Debug, Default)]
pub struct Search {
    sampler: Sampler,
    scene: Option<Scene>,
    sightings: Vec<Sighting>,
}

impl Search {
    /// Most frames that the background is the median of.
    pub const SAMPLES: usize = MAX_SAMPLES;

    /// Creates a search that has seen nothing.
    pub fn new() -> Search {
        Search::default()
    }

    /// Returns which of `count` frames to sample: at most [`Search::SAMPLES`], spread over all.
    pub fn samples(count: usize) -> Vec<usize> {
        let few = count.min(Search::SAMPLES);
        (0..few).map(|i| i * count / few).collect()
    }

    /// Takes a frame for the background.
    ///
    /// # Errors
    /// As [`Sampler::push`].
    pub fn sample(&mut self, frame: &RgbImage) -> Result<()> {
        self.scene = None;
        self.sightings.clear();
        self.sampler.push(frame)
    }

    /// Looks for the animal in the next frame.
    ///
    /// # Errors
    /// As [`Sampler::scene`] and [`Scene::look`].
    pub fn look(&mut self, frame: &RgbImage) -> Result<()> {
        let sighting = self.scene()?.look(frame)?;
        self.sightings.push(sighting);
        Ok(())
    }

    /// Counts a frame that cannot be read as one that shows nothing.
    pub fn skip(&mut self) {
        self.sightings.push(Sighting::nothing());
    }

    /// Makes a track of all frames that were looked at or, before the second pass, of the sampled ones, which do not follow one another.
    ///
    /// # Errors
    /// As [`Sampler::scene`] and [`Track::new`].
    pub fn track(&mut self, options: TrackOptions) -> Result<Track> {
        let scene = self.scene()?.clone();
        if self.sightings.is_empty() {
            let options = TrackOptions {
                order: Order::Separate,
                ..options
            };
            return Track::new(&scene, &self.sampler.sightings(&scene), options);
        }
        Track::new(&scene, &self.sightings, options)
    }

    /// Returns width and height of the frames, px.
    ///
    /// # Errors
    /// As [`Sampler::scene`].
    pub fn size_px(&mut self) -> Result<[u32; 2]> {
        Ok(self.scene()?.size_px())
    }

    fn scene(&mut self) -> Result<&Scene> {
        let scene = match self.scene.take() {
            Some(scene) => scene,
            None => self.sampler.scene()?,
        };
        Ok(self.scene.insert(scene))
    }
}
