//! Pictures in memory, and the order in which training meets them.

use std::collections::HashSet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Where the square view lies in the original picture: the way back for keypoints.
///
/// `original_fraction = offset + scale * view_fraction`, x then y. Both fractions run from 0 at the left or upper border
/// to 1 at the right or lower one. Where the view is padded, a point in the padding maps outside of `[0, 1]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Width and height of the original after its EXIF orientation, px.
    pub original_px: [u32; 2],
    /// That orientation, 1 to 8; 1 where the pixels are shown as they are stored.
    pub exif_orientation: u8,
    /// Where the view's upper left corner lies, as a fraction of the original.
    pub offset: [f32; 2],
    /// How much of the original the view spans; more than 1 along a padded side.
    pub scale: [f32; 2],
}

impl Placement {
    /// A view that shows the whole of a picture of `[width, height]` px and nothing else.
    pub fn whole(original_px: [u32; 2]) -> Placement {
        Placement {
            original_px,
            exif_orientation: 1,
            offset: [0.0; 2],
            scale: [1.0; 2],
        }
    }

    /// The same image, for points that are fractions of all of it.
    pub fn as_whole(&self) -> Placement {
        Placement {
            exif_orientation: self.exif_orientation,
            ..Placement::whole(self.original_px)
        }
    }

    /// A point of the view (`[x, y]`, fractions of the view) as fractions of the original.
    pub fn to_original(&self, view_fraction: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|axis| self.offset[axis] + self.scale[axis] * view_fraction[axis])
    }

    /// A point of the original (`[x, y]`, fractions of it) as fractions of the view; the inverse of
    /// [`Placement::to_original`].
    pub fn to_view(&self, original_fraction: [f32; 2]) -> [f32; 2] {
        [0, 1].map(|axis| (original_fraction[axis] - self.offset[axis]) / self.scale[axis])
    }
}

/// One square picture, and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    /// The file's name, with its folder or zip.
    pub name: String,
    /// `[S, S, 3]`, RGB.
    pub pixels: Vec<u8>,
    /// The way back to the original.
    pub placement: Placement,
}

/// Pictures of one size: `u8 [R, S, S, 3]` in one piece, with their names and placements. Some may be left out: N stay.
#[derive(Clone, Debug)]
pub struct Dataset {
    size_px: usize,
    pixels: Vec<u8>, // [R, S, S, 3]
    names: Vec<String>,
    placements: Vec<Placement>,
    /// `[N]`, rising: the places of those that stay.
    kept: Vec<usize>,
}

impl Dataset {
    /// No pictures yet; they will be `size_px` wide and high.
    pub fn new(size_px: usize) -> Self {
        Dataset {
            size_px,
            pixels: Vec::new(),
            names: Vec::new(),
            placements: Vec::new(),
            kept: Vec::new(),
        }
    }

    /// Adds a picture at the end.
    ///
    /// # Panics
    /// If its pixels are not `[S, S, 3]`: whoever decodes knows the size.
    pub fn push(&mut self, picture: Picture) {
        let bytes = self.picture_bytes();
        assert_eq!(picture.pixels.len(), bytes, "a picture of another size");
        if self.pixels.capacity() - self.pixels.len() < bytes {
            // An eighth more each time: a Vec's own doubling would take twice the memory that the pictures need.
            self.pixels
                .reserve_exact((self.pixels.len() / 8).max(64 * bytes));
        }
        self.pixels.extend_from_slice(&picture.pixels);
        self.kept.push(self.names.len());
        self.names.push(picture.name);
        self.placements.push(picture.placement);
    }

    /// Adds others of the same size at the end.
    ///
    /// # Panics
    /// If they are of another size.
    pub fn append(&mut self, mut others: Dataset) {
        assert_eq!(self.size_px, others.size_px, "pictures of another size");
        let places = self.read_len();
        self.kept.extend(others.kept.iter().map(|at| places + at));
        self.pixels.append(&mut others.pixels);
        self.names.append(&mut others.names);
        self.placements.append(&mut others.placements);
    }

    /// Leaves out the pictures at these places, as if they had never been read; every other one is back.
    pub fn leave_out(&mut self, places: &[usize]) {
        let is_out: HashSet<_> = places.iter().collect();
        self.kept = (0..self.read_len())
            .filter(|place| !is_out.contains(place))
            .collect();
    }

    /// The places of those that are left out.
    pub fn left_out(&self) -> Vec<usize> {
        (0..self.read_len())
            .filter(|place| self.kept.binary_search(place).is_err())
            .collect()
    }

    /// How many were read, R: those that are left out, too.
    pub fn read_len(&self) -> usize {
        self.names.len()
    }

    /// Name and pixels `[S, S, 3]` of the picture at a place among all that were read.
    ///
    /// # Panics
    /// If there is no such place.
    pub fn read_at(&self, place: usize) -> (&str, &[u8]) {
        let bytes = self.picture_bytes();
        (
            &self.names[place],
            &self.pixels[place * bytes..(place + 1) * bytes],
        )
    }

    /// How many pictures, N.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// The place of picture `i` among all that were read.
    ///
    /// # Panics
    /// If there is no picture `i`; so do the methods below.
    pub fn place(&self, i: usize) -> usize {
        self.kept[i]
    }

    /// Side of every picture, S, px.
    pub fn size_px(&self) -> usize {
        self.size_px
    }

    /// Picture `i`: `[S, S, 3]`, RGB.
    pub fn pixels(&self, i: usize) -> &[u8] {
        self.read_at(self.kept[i]).1
    }

    /// The file's name of picture `i`, with its folder or zip.
    pub fn name(&self, i: usize) -> &str {
        &self.names[self.kept[i]]
    }

    /// Where picture `i` lies in its original.
    pub fn placement(&self, i: usize) -> &Placement {
        &self.placements[self.kept[i]]
    }

    /// The picked pictures as the model takes them: `[B, 3, S, S]`, `v / 127.5 - 1` in `[-1, 1]`, mirrored left to right
    /// where [`Pick::flipped`].
    ///
    /// # Panics
    /// If a pick is not among the pictures.
    pub fn gather(&self, picks: &[Pick]) -> Vec<f32> {
        let size = self.size_px;
        let mut batch = Vec::with_capacity(picks.len() * self.picture_bytes());
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

    /// Whether there is enough to learn from: what pictures have in common takes at least two.
    ///
    /// # Errors
    /// [`Error::Pictures`], saying what to do.
    pub fn check(&self) -> Result<()> {
        match self.len() {
            0 => Err(Error::Pictures(
                "There are no pictures yet: add some of one kind of object (a hundred or more work best).".into(),
            )),
            1 => Err(Error::Pictures(
                "There is one picture only: keypoints are what several pictures of one kind of object have in common, \
                 so add at least one more (a hundred or more work best)."
                    .into(),
            )),
            _ => Ok(()),
        }
    }

    /// Whether so many images, `size_px` wide and high, can be held in memory. To be asked before they are made.
    ///
    /// # Errors
    /// [`Error::Pictures`], saying how many can.
    pub fn check_room(count: usize, size_px: usize) -> Result<()> {
        let bytes = (size_px * size_px * 3) as u64;
        let most = (budget() / bytes.max(1)).min(u32::MAX.into());
        if count as u64 > most {
            return Err(Error::Pictures(format!(
                "{count} images of {size_px} px are too many for the memory here, which holds {most}: use fewer or smaller ones."
            )));
        }
        Ok(())
    }

    fn picture_bytes(&self) -> usize {
        self.size_px * self.size_px * 3
    }
}

/// Bytes that images may take: half of what a page can address.
#[cfg(target_family = "wasm")]
fn budget() -> u64 {
    2 << 30
}

/// Bytes that images may take: three quarters of the memory here, or of what this program's container may use.
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
        if bytes == 0 { u64::MAX } else { bytes / 4 * 3 } // 0: this system does not tell
    })
}

/// One picture of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Which picture.
    pub index: usize,
    /// Mirrored left to right.
    pub flipped: bool,
}

/// Seeded epochs without end: each meets every picture once, in an order of its own. Batches run on across epochs, so
/// none is short, and a batch larger than the data set holds pictures several times.
#[derive(Clone, Debug)]
pub struct Batches {
    order: Vec<u32>,
    next: usize,
    order_rng: ChaCha8Rng,
    // A stream of its own: flipping changes no order.
    flip_rng: Option<ChaCha8Rng>,
}

/// Where [`Batches`] stand, to be kept in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchesPosition {
    /// The present epoch's.
    order: Vec<u32>,
    /// How many of it are taken.
    next: usize,
    /// Words drawn from the two streams.
    order_words: u64,
    flip_words: u64,
}

impl Batches {
    /// Epochs over that many pictures; with a stream for flips, each pick is mirrored with probability one half.
    ///
    /// The picks depend on the arguments alone, not on the platform or the size of the batches.
    pub fn new(pictures: usize, order_rng: ChaCha8Rng, flip_rng: Option<ChaCha8Rng>) -> Self {
        Batches {
            order: (0..pictures as u32).collect(),
            next: pictures,
            order_rng,
            flip_rng,
        }
    }

    /// Where the epochs stand.
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

    /// The same epochs from this position on; unchanged if it belongs to another number of pictures.
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

    /// The next `batch` picks; none if there are no pictures.
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

/// Fisher-Yates. Draws are of 32 bits, so that wasm32 and 64-bit machines shuffle alike.
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

    fn seeded(pictures: usize, flip: bool, seed: u64) -> Batches {
        let [order, mut flips] = [(); 2].map(|()| ChaCha8Rng::seed_from_u64(seed));
        flips.set_stream(1);
        Batches::new(pictures, order, flip.then_some(flips))
    }

    fn picture(size_px: usize, value: impl Fn(usize, usize, usize) -> u8) -> Picture {
        let mut pixels = Vec::new();
        for y in 0..size_px {
            for x in 0..size_px {
                pixels.extend((0..3).map(|c| value(x, y, c)));
            }
        }
        Picture {
            name: "p".into(),
            pixels,
            placement: Placement::whole([9, 9]),
        }
    }

    #[test]
    fn gather_is_planar_scaled_and_mirrored() {
        let mut dataset = Dataset::new(2);
        dataset.push(picture(2, |_, _, _| 7));
        dataset.push(picture(2, |x, y, c| {
            (x * 255 / (1 + y) + c * (y & 1)) as u8
        }));
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
    fn what_is_left_out_is_as_if_it_had_never_been_read() {
        let named = |name: usize| Picture {
            name: format!("{name}"),
            ..picture(1, |_, _, _| name as u8)
        };
        let mut dataset = Dataset::new(1);
        (0..5).for_each(|i| dataset.push(named(i)));
        dataset.leave_out(&[1, 3]);
        assert_eq!((dataset.len(), dataset.read_len()), (3, 5));
        assert_eq!((dataset.name(1), dataset.pixels(1)[0]), ("2", 2));
        assert_eq!((dataset.place(2), dataset.read_at(3).0), (4, "3"));
        let mut more = Dataset::new(1);
        (5..8).for_each(|i| more.push(named(i)));
        more.leave_out(&[0]);
        dataset.append(more);
        assert_eq!(dataset.left_out(), [1, 3, 5]);
        assert_eq!((dataset.len(), dataset.name(3)), (5, "6"));
        dataset.leave_out(&[]);
        assert_eq!((dataset.len(), dataset.name(1)), (8, "1"));
    }

    #[test]
    fn more_than_the_memory_holds_is_said() {
        Dataset::check_room(400, 256).expect("an ordinary set");
        for (count, size) in [
            (999_999_999_999_999_999, 64),
            (usize::MAX, 256),
            (5 << 32, 1),
        ] {
            let said = Dataset::check_room(count, size).expect_err("too many");
            let said = said.to_string();
            assert!(said.contains("too many for the memory"), "{said}");
        }
    }

    #[test]
    fn too_few_pictures_are_said() {
        let mut dataset = Dataset::new(1);
        assert!(
            dataset
                .check()
                .expect_err("none")
                .to_string()
                .starts_with("There are no pictures")
        );
        dataset.push(picture(1, |_, _, _| 0));
        assert!(
            dataset
                .check()
                .expect_err("one")
                .to_string()
                .starts_with("There is one picture only")
        );
        dataset.push(picture(1, |_, _, _| 0));
        dataset.check().expect("two are enough");
    }

    #[test]
    fn every_picture_once_an_epoch_across_batches() {
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
        // The size of the batches does not matter.
        let once: Vec<usize> = seeded(10, false, 3)
            .next(60)
            .iter()
            .map(|p| p.index)
            .collect();
        assert_eq!(picks, once);
    }

    #[test]
    fn a_position_goes_on_where_it_was_taken() {
        let mut batches = seeded(10, true, 5);
        batches.next(13);
        let position = batches.position();
        let mut resumed = seeded(10, true, 5).at(position.clone());
        assert_eq!(resumed.next(40), batches.next(40));
        // Of other pictures: a fresh start.
        assert_eq!(
            seeded(9, true, 5).at(position).next(20),
            seeded(9, true, 5).next(20)
        );
    }

    #[test]
    fn few_pictures_repeat_and_none_give_none() {
        let picks = seeded(3, false, 0).next(8);
        assert_eq!(picks.len(), 8);
        assert!((0..3).all(|i| picks.iter().filter(|p| p.index == i).count() >= 2));
        assert!(seeded(0, true, 0).next(8).is_empty());
    }

    #[test]
    fn flips_are_fair_and_leave_the_order_alone() {
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
    fn the_same_seed_gives_the_same_picks_everywhere() {
        let picks = seeded(10, true, 42).next(10);
        let indices: Vec<usize> = picks.iter().map(|p| p.index).collect();
        let flips: Vec<u8> = picks.iter().map(|p| u8::from(p.flipped)).collect();
        assert_eq!(indices, [0, 5, 3, 7, 9, 4, 8, 1, 6, 2]);
        assert_eq!(flips, [1, 1, 1, 0, 0, 0, 0, 1, 0, 0]);
    }
}
