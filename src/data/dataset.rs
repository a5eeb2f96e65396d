//! Images in memory, and the order in which training visits them.

use std::collections::HashSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::data::locate::Crop;
use crate::error::{Error, Result};

/// Where the square view lies in the original image: maps keypoints back.
///
/// `original_fraction = offset + scale * view_fraction`, x then y. Both fractions run from 0 at the left or upper border to 1 at the
/// right or lower one. A point in the padding of a view maps outside of `[0, 1]`. A view that is a [`Crop`] around the animal maps through
/// that instead. See `tests/data_decode.rs`.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Width and height of the original after its EXIF orientation, px.
    pub original_px: [u32; 2],
    /// EXIF orientation, 1 to 8; 1 if the pixels are shown as they are stored.
    pub exif_orientation: u8,
    /// Upper left corner of the view, `[x, y]` as fractions of the original.
    pub offset: [f32; 2],
    /// Part of the original that the view spans, `[x, y]`; more than 1 along a padded side.
    pub scale: [f32; 2],
    /// The turned crop that the view shows; then `offset` and `scale` are those of the whole image.
    pub crop: Option<Crop>,
}

impl Placement {
    /// Creates the placement of a view that shows all of an image of `[width, height]` px, and nothing else.
    pub fn whole(original_px: [u32; 2]) -> Placement {
        Placement {
            original_px,
            exif_orientation: 1,
            offset: [0.0; 2],
            scale: [1.0; 2],
            crop: None,
        }
    }

    /// Creates the placement of a view that shows a crop of an image of `[width, height]` px. See `tests/data_decode.rs`.
    pub fn cropped(original_px: [u32; 2], crop: Crop) -> Placement {
        Placement {
            crop: Some(crop),
            ..Placement::whole(original_px)
        }
    }

    /// Returns the placement of the same image for points that are fractions of all of it.
    pub fn as_whole(&self) -> Placement {
        Placement {
            exif_orientation: self.exif_orientation,
            ..Placement::whole(self.original_px)
        }
    }

    /// Maps a point `[x, y]` from fractions of the view to fractions of the original.
    pub fn to_original(&self, view_fraction: [f32; 2]) -> [f32; 2] {
        if self.crop.is_some() {
            let wide = self.to_original_wide(view_fraction.map(f64::from));
            return wide.map(|v| v as f32);
        }
        [0, 1].map(|axis| self.offset[axis] + self.scale[axis] * view_fraction[axis])
    }

    /// Maps a point as [`Placement::to_original`] does, in double precision.
    pub(crate) fn to_original_wide(&self, view_fraction: [f64; 2]) -> [f64; 2] {
        if let Some(crop) = &self.crop {
            let frame_px = crop.to_frame(view_fraction);
            return [0, 1].map(|axis| frame_px[axis] / f64::from(self.original_px[axis]));
        }
        [0, 1].map(|axis| {
            f64::from(self.offset[axis]) + f64::from(self.scale[axis]) * view_fraction[axis]
        })
    }

    /// Maps a point `[x, y]` from fractions of the original to fractions of the view; the inverse of [`Placement::to_original`].
    pub fn to_view(&self, original_fraction: [f32; 2]) -> [f32; 2] {
        if let Some(crop) = &self.crop {
            let frame_px = [0, 1]
                .map(|axis| f64::from(original_fraction[axis]) * f64::from(self.original_px[axis]));
            return crop.to_crop(frame_px).map(|v| v as f32);
        }
        [0, 1].map(|axis| (original_fraction[axis] - self.offset[axis]) / self.scale[axis])
    }
}

/// A square image, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct SquareImage {
    /// Name of the file, with its folder or zip.
    pub name: String,
    /// `[S, S, 3]`, RGB.
    pub pixels: Vec<u8>,
    /// Where the square lies in the original.
    pub placement: Placement,
}

/// Images of one size, `u8 [R, S, S, 3]` in one buffer, with their names and placements. R were read; N of them are in use, and the
/// others removed.
#[derive(Clone, Debug)]
pub struct Dataset {
    size_px: usize,
    pixels: Vec<u8>, // [R, S, S, 3]
    names: Vec<String>,
    placements: Vec<Placement>,
    /// Places of the images in use, `[N]`, ascending.
    kept: Vec<usize>,
}

impl Dataset {
    /// Creates an empty data set for images that are `size_px` wide and high.
    pub fn new(size_px: usize) -> Self {
        Dataset {
            size_px,
            pixels: Vec::new(),
            names: Vec::new(),
            placements: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Adds an image at the end.
    ///
    /// # Panics
    /// If its pixels are not `[S, S, 3]`.
    pub fn push(&mut self, image: SquareImage) {
        let bytes = self.image_bytes();
        assert_eq!(image.pixels.len(), bytes, "an image of another size");
        if self.pixels.capacity() - self.pixels.len() < bytes {
            // Grows by an eighth: a Vec's own doubling would take twice the memory that the images need.
            self.pixels
                .reserve_exact((self.pixels.len() / 8).max(64 * bytes));
        }
        self.pixels.extend_from_slice(&image.pixels);
        self.kept.push(self.names.len());
        self.names.push(image.name);
        self.placements.push(image.placement);
    }

    /// Adds all images of another data set at the end.
    ///
    /// # Panics
    /// If its images have another size.
    pub fn append(&mut self, mut others: Dataset) {
        assert_eq!(self.size_px, others.size_px, "images of another size");
        let places = self.read_len();
        self.kept.extend(others.kept.iter().map(|at| places + at));
        self.pixels.append(&mut others.pixels);
        self.names.append(&mut others.names);
        self.placements.append(&mut others.placements);
    }

    /// Removes the images at these places, as if they had never been read, and brings back all others.
    pub fn set_removed(&mut self, places: &[usize]) {
        let is_removed: HashSet<_> = places.iter().collect();
        self.kept = (0..self.read_len())
            .filter(|place| !is_removed.contains(place))
            .collect();
    }

    /// Returns the places of the removed images, ascending.
    pub fn removed(&self) -> Vec<usize> {
        (0..self.read_len())
            .filter(|place| self.kept.binary_search(place).is_err())
            .collect()
    }

    /// Returns the number of images that were read, R, removed ones included.
    pub fn read_len(&self) -> usize {
        self.names.len()
    }

    /// Returns name and pixels `[S, S, 3]` of the image at a place among all that were read, removed ones included.
    ///
    /// # Panics
    /// If `place` is not below [`Dataset::read_len`].
    pub fn entry(&self, place: usize) -> (&str, &[u8]) {
        let bytes = self.image_bytes();
        (
            &self.names[place],
            &self.pixels[place * bytes..(place + 1) * bytes],
        )
    }

    /// Returns the number of images in use, N.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Returns true if no image is in use.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Returns the place of image `i` among all that were read.
    ///
    /// # Panics
    /// If `i` is not below [`Dataset::len`]; so do the methods below.
    pub fn place(&self, i: usize) -> usize {
        self.kept[i]
    }

    /// Returns the side of every image, S, px.
    pub fn size_px(&self) -> usize {
        self.size_px
    }

    /// Returns the pixels of image `i`: `[S, S, 3]`, RGB.
    pub fn pixels(&self, i: usize) -> &[u8] {
        self.entry(self.kept[i]).1
    }

    /// Returns the file name of image `i`, with its folder or zip.
    pub fn name(&self, i: usize) -> &str {
        &self.names[self.kept[i]]
    }

    /// Returns where image `i` lies in its original.
    pub fn placement(&self, i: usize) -> &Placement {
        &self.placements[self.kept[i]]
    }

    /// Returns these images turned by half a circle, as their reversed crops show them ([`Crop::reversed`]).
    #[must_use]
    pub fn reversed(&self) -> Dataset {
        let mut reversed = Dataset::new(self.size_px);
        for i in 0..self.len() {
            let placement = self.placement(i).clone();
            reversed.push(SquareImage {
                name: self.name(i).into(),
                pixels: self.pixels(i).rchunks_exact(3).flatten().copied().collect(),
                placement: Placement {
                    crop: placement.crop.map(Crop::reversed),
                    ..placement
                },
            });
        }
        reversed
    }

    /// Collects picked images as the model's input: `[B, 3, S, S]`, `v / 127.5 - 1` in `[-1, 1]`, mirrored left to right where
    /// [`Pick::flipped`].
    ///
    /// ```
    /// use autolink::data::{Dataset, Pick, Placement, SquareImage};
    ///
    /// let mut dataset = Dataset::new(1);
    /// let placement = Placement::whole([1, 1]);
    /// dataset.push(SquareImage { name: "a.png".into(), pixels: vec![0, 255, 0], placement });
    /// assert_eq!(dataset.gather(&[Pick { index: 0, flipped: false }]), [-1.0, 1.0, -1.0]);
    /// ```
    ///
    /// # Panics
    /// If a pick is not below [`Dataset::len`].
    pub fn gather(&self, picks: &[Pick]) -> Vec<f32> {
        let size = self.size_px;
        let mut batch = Vec::with_capacity(picks.len() * self.image_bytes());
        for pick in picks {
            let pixels = self.pixels(pick.index);
            for channel in 0..3 {
                for row in pixels.chunks_exact(size * 3) {
                    let values = row[channel..]
                        .iter()
                        .step_by(3)
                        .map(|&v| f32::from(v) / 127.5 - 1.0);
                    if pick.flipped {
                        batch.extend(values.rev());
                    } else {
                        batch.extend(values);
                    }
                }
            }
        }
        batch
    }

    /// Checks that there are enough images to learn what they have in common: at least two.
    ///
    /// # Errors
    /// [`Error::Images`] if there are fewer.
    pub fn check(&self) -> Result<()> {
        match self.len() {
            0 => Err(Error::Images(
                "There are no images yet. Add images of one kind of object (a hundred or more work best).".into(),
            )),
            1 => Err(Error::Images(
                "There is only one image, but keypoints are what several images of one kind of object have in common. \
                 Add at least one more (a hundred or more work best)."
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that memory can hold `count` images of `size_px`. Call this before making them.
    ///
    /// # Errors
    /// [`Error::Images`] if it cannot, with the number of images that it can hold.
    pub fn check_memory(count: usize, size_px: usize) -> Result<()> {
        let bytes = (size_px * size_px * 3) as u64;
        let most = (budget() / bytes.max(1)).min(u32::MAX.into());
        if count as u64 > most {
            return Err(Error::Images(format!(
                "{count} images of {size_px} px do not fit into memory, which holds {most}. Use fewer or smaller images."
            )));
        }
        Ok(())
    }

    fn image_bytes(&self) -> usize {
        self.size_px * self.size_px * 3
    }
}

/// Returns the bytes that images may take: half of what a page can address.
#[cfg(target_family = "wasm")]
fn budget() -> u64 {
    2 << 30
}

/// Returns the bytes that images may take: three quarters of the memory here, or of what this program's container may use.
#[cfg(not(target_family = "wasm"))]
fn budget() -> u64 {
    use std::sync::OnceLock;
    use sysinfo::{MemoryRefreshKind, RefreshKind, System};
    static BUDGET: OnceLock<u64> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let memory = RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram());
        let system = System::new_with_specifics(memory);
        let limit = system.cgroup_limits().map(|limits| limits.total_memory);
        let bytes = system.total_memory().min(limit.unwrap_or(u64::MAX));
        if bytes == 0 { u64::MAX } else { bytes / 4 * 3 } // 0: this system does not report it
    })
}

/// One image of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pick {
    /// Index of the image, below N.
    pub index: usize,
    /// True if it is mirrored left to right.
    pub flipped: bool,
}

/// Endless sequence of seeded epochs, each of which visits every image once in an order of its own. Batches continue across epochs, so
/// that none is short; a batch that is larger than the data set holds images several times.
///
/// ```
/// use autolink::data::Batches;
/// use rand::SeedableRng;
/// use rand_chacha::ChaCha8Rng;
///
/// let mut batches = Batches::new(3, ChaCha8Rng::seed_from_u64(0), None);
/// let mut epoch: Vec<usize> = batches.next(3).iter().map(|pick| pick.index).collect();
/// epoch.sort_unstable();
/// assert_eq!(epoch, [0, 1, 2]);
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<u32>,
    next: usize,
    order_rng: ChaCha8Rng,
    // A stream of its own, so that mirroring does not change the order.
    flip_rng: Option<ChaCha8Rng>,
}

/// Position of [`Batches`], to be saved in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchesPosition {
    /// Order of the current epoch.
    order: Vec<u32>,
    /// Number of images that the epoch has visited.
    next: usize,
    /// Words drawn from the two random streams.
    order_words: u64,
    flip_words: u64,
}

impl Batches {
    /// Creates epochs over `images` images; with a stream for flips, each pick is mirrored with probability one half.
    ///
    /// The picks depend on the arguments alone, not on the platform or the batch size.
    pub fn new(images: usize, order_rng: ChaCha8Rng, flip_rng: Option<ChaCha8Rng>) -> Self {
        Batches {
            order: (0..images as u32).collect(),
            next: images,
            order_rng,
            flip_rng,
        }
    }

    /// Returns the current position.
    pub fn position(&self) -> BatchesPosition {
        BatchesPosition {
            order: self.order.clone(),
            next: self.next,
            order_words: self.order_rng.get_word_pos() as u64,
            flip_words: self
                .flip_rng
                .as_ref()
                .map_or(0, |rng| rng.get_word_pos() as u64),
        }
    }

    /// Continues from this position; starts anew if the position belongs to another number of images.
    pub fn at(mut self, position: BatchesPosition) -> Self {
        let mut sorted = position.order.clone();
        sorted.sort_unstable();
        if !sorted.iter().copied().eq(0..self.order.len() as u32) {
            return self;
        }
        self.next = position.next.min(position.order.len());
        self.order = position.order;
        self.order_rng.set_word_pos(position.order_words.into());
        if let Some(rng) = &mut self.flip_rng {
            rng.set_word_pos(position.flip_words.into());
        }
        self
    }

    /// Returns the next `batch` picks; none if there are no images.
    pub fn next(&mut self, batch: usize) -> Vec<Pick> {
        let batch = if self.order.is_empty() { 0 } else { batch };
        (0..batch).map(|_| self.pick()).collect()
    }

    fn pick(&mut self) -> Pick {
        if self.next == self.order.len() {
            shuffle(&mut self.order, &mut self.order_rng);
            self.next = 0;
        }
        let index = self.order[self.next] as usize;
        self.next += 1;
        let flipped = self.flip_rng.as_mut().is_some_and(|rng| rng.random());
        Pick { index, flipped }
    }
}

/// Shuffles by Fisher-Yates. It draws 32-bit numbers, so that wasm32 and 64-bit machines shuffle alike.
pub(crate) fn shuffle(order: &mut [u32], rng: &mut ChaCha8Rng) {
    for i in (1..order.len()).rev() {
        let j = rng.random_range(0..=i as u32) as usize;
        order.swap(i, j);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn seeded(images: usize, flip: bool, seed: u64) -> Batches {
        let [order, mut flips] = [(); 2].map(|()| ChaCha8Rng::seed_from_u64(seed));
        flips.set_stream(1);
        Batches::new(images, order, flip.then_some(flips))
    }

    fn image(size_px: usize, value: impl Fn(usize, usize, usize) -> u8) -> SquareImage {
        let mut pixels = Vec::new();
        for y in 0..size_px {
            for x in 0..size_px {
                pixels.extend((0..3).map(|c| value(x, y, c)));
            }
        }
        SquareImage {
            name: "p".into(),
            pixels,
            placement: Placement::whole([9, 9]),
        }
    }

    #[test]
    fn gather_scales_and_mirrors_planes() {
        let mut dataset = Dataset::new(2);
        dataset.push(image(2, |_, _, _| 7));
        dataset.push(image(2, |x, y, c| (x * 255 / (1 + y) + c * (y & 1)) as u8));
        let batch = dataset.gather(&[
            Pick {
                index: 1,
                flipped: false,
            },
            Pick {
                index: 1,
                flipped: true,
            },
        ]);
        let unit = |v: u8| f32::from(v) / 127.5 - 1.0;
        let plane = |c: u8| [unit(0), unit(255), unit(c), unit(127 + c)];
        let mirrored = |c: u8| [unit(255), unit(0), unit(127 + c), unit(c)];
        let expected: Vec<f32> = [
            plane(0),
            plane(1),
            plane(2),
            mirrored(0),
            mirrored(1),
            mirrored(2),
        ]
        .concat();
        assert_eq!(batch, expected);
        assert_eq!((unit(0), unit(255)), (-1.0, 1.0));
        assert_eq!(
            (dataset.len(), dataset.size_px(), dataset.name(1)),
            (2, 2, "p")
        );
    }

    #[test]
    fn set_removed_hides_images_as_if_never_read() {
        let named = |name: usize| SquareImage {
            name: format!("{name}"),
            ..image(1, |_, _, _| name as u8)
        };
        let mut dataset = Dataset::new(1);
        (0..5).for_each(|i| dataset.push(named(i)));
        dataset.set_removed(&[1, 3]);
        assert_eq!((dataset.len(), dataset.read_len()), (3, 5));
        assert_eq!((dataset.name(1), dataset.pixels(1)[0]), ("2", 2));
        assert_eq!((dataset.place(2), dataset.entry(3).0), (4, "3"));
        let mut more = Dataset::new(1);
        (5..8).for_each(|i| more.push(named(i)));
        more.set_removed(&[0]);
        dataset.append(more);
        assert_eq!(dataset.removed(), [1, 3, 5]);
        assert_eq!((dataset.len(), dataset.name(3)), (5, "6"));
        dataset.set_removed(&[]);
        assert_eq!((dataset.len(), dataset.name(1)), (8, "1"));
    }

    #[test]
    fn check_memory_rejects_more_than_memory_holds() {
        Dataset::check_memory(400, 256).expect("an ordinary set");
        for (count, size) in [
            (999_999_999_999_999_999, 64),
            (usize::MAX, 256),
            (5 << 32, 1),
        ] {
            let error = Dataset::check_memory(count, size).expect_err("too many");
            let message = error.to_string();
            assert!(message.contains("do not fit into memory"), "{message}");
        }
    }

    #[test]
    fn check_requires_two_images() {
        let mut dataset = Dataset::new(1);
        assert!(
            dataset
                .check()
                .expect_err("none")
                .to_string()
                .starts_with("There are no images")
        );
        dataset.push(image(1, |_, _, _| 0));
        assert!(
            dataset
                .check()
                .expect_err("one")
                .to_string()
                .starts_with("There is only one image")
        );
        dataset.push(image(1, |_, _, _| 0));
        dataset.check().expect("two are enough");
    }

    #[test]
    fn batches_visit_every_image_once_per_epoch() {
        let mut batches = seeded(10, false, 3);
        let picks: Vec<usize> = (0..15)
            .flat_map(|_| batches.next(4))
            .map(|p| p.index)
            .collect();
        for epoch in picks.chunks(10) {
            let mut sorted = epoch.to_vec();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..10).collect::<Vec<_>>());
        }
        assert_ne!(picks[..10], picks[10..20]);
        // The batch size does not matter.
        let once: Vec<usize> = seeded(10, false, 3)
            .next(60)
            .iter()
            .map(|p| p.index)
            .collect();
        assert_eq!(picks, once);
    }

    #[test]
    fn at_continues_from_a_position() {
        let mut batches = seeded(10, true, 5);
        batches.next(13);
        let position = batches.position();
        let mut resumed = seeded(10, true, 5).at(position.clone());
        assert_eq!(resumed.next(40), batches.next(40));
        // A position for another number of images: a fresh start.
        assert_eq!(
            seeded(9, true, 5).at(position).next(20),
            seeded(9, true, 5).next(20)
        );
    }

    #[test]
    fn batches_repeat_few_images_and_are_empty_without_any() {
        let picks = seeded(3, false, 0).next(8);
        assert_eq!(picks.len(), 8);
        assert!((0..3).all(|i| picks.iter().filter(|p| p.index == i).count() >= 2));
        assert!(seeded(0, true, 0).next(8).is_empty());
    }

    #[test]
    fn flips_are_fair_and_do_not_change_the_order() {
        let plain = seeded(50, false, 9).next(2_000);
        let flipped = seeded(50, true, 9).next(2_000);
        assert!(
            plain
                .iter()
                .zip(&flipped)
                .all(|(a, b)| a.index == b.index && !a.flipped)
        );
        let share = flipped.iter().filter(|p| p.flipped).count() as f64 / 2_000.0;
        assert!((share - 0.5).abs() < 0.04, "{share}");
    }

    #[test]
    fn seed_determines_the_picks_on_every_platform() {
        let picks = seeded(10, true, 42).next(10);
        let indices: Vec<usize> = picks.iter().map(|p| p.index).collect();
        let flips: Vec<u8> = picks.iter().map(|p| u8::from(p.flipped)).collect();
        assert_eq!(indices, [0, 5, 3, 7, 9, 4, 8, 1, 6, 2]);
        assert_eq!(flips, [1, 1, 1, 0, 0, 0, 0, 1, 0, 0]);
    }
}
