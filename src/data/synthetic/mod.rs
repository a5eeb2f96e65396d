//! Articulated puppets, drawn procedurally, with true joint positions: the page's own images, and the tests' ground truth.
//!
//! A puppet faces the viewer. Pose, clothes, colours and background vary; the build hardly does.

mod appearance;
mod background;
mod canvas;
mod figure;
mod pose;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use appearance::Appearance;
use background::background;
use canvas::Canvas;
use figure::figure;
use pose::Pose;

use crate::data::dataset::{Dataset, Placement, SquareImage};
use crate::error::{Error, Result};

/// Names of the joints, J, in their order; left and right are those of the image.
pub const JOINT_NAMES: [&str; 14] = [
    "head",
    "neck",
    "left_shoulder",
    "left_elbow",
    "left_hand",
    "right_shoulder",
    "right_elbow",
    "right_hand",
    "left_hip",
    "left_knee",
    "left_foot",
    "right_hip",
    "right_knee",
    "right_foot",
];

const HEAD: usize = 0;
const NECK: usize = 1;
/// Shoulder, elbow, hand; left then right.
const ARMS: [[usize; 3]; 2] = [[2, 3, 4], [5, 6, 7]];
/// Hip, knee, foot (the ankle); left then right.
const LEGS: [[usize; 3]; 2] = [[8, 9, 10], [11, 12, 13]];

/// Drawn puppets, with their joints.
pub struct Puppets {
    /// Images, named `puppet-0.png` and so on.
    pub dataset: Dataset,
    /// Joints `[N][J][x, y]` as fractions of the image, in the order of [`JOINT_NAMES`].
    pub joints: Vec<Vec<[f32; 2]>>,
}

/// Draws the first `count` puppets of a seed, `size_px` wide and high. See `tests/model.rs`.
pub fn puppets(count: usize, seed: u64, size_px: usize) -> Puppets {
    let mut dataset = Dataset::new(size_px);
    let mut joints = Vec::with_capacity(count);
    for index in 0..count {
        let (image, places) = puppet(index, seed, size_px);
        dataset.push(image);
        joints.push(places);
    }
    Puppets { dataset, joints }
}

/// Draws puppet `index` of a seed; returns it with its joints `[J][x, y]` as fractions of the image. It depends neither on the number of
/// other puppets nor, but for its resolution, on the size.
///
/// ```
/// let (image, joints) = autolink::data::synthetic::puppet(0, 1, 32);
/// assert_eq!((image.pixels.len(), joints.len()), (32 * 32 * 3, 14));
/// ```
pub fn puppet(index: usize, seed: u64, size_px: usize) -> (SquareImage, Vec<[f32; 2]>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    let appearance = Appearance::new(&mut rng);
    let pose = Pose::new(&mut rng, &appearance);

    // Drawn larger and reduced, which gives finer edges than anti-aliasing alone.
    let mut canvas = Canvas::new(2 * size_px.max(1) as u32);
    background(&mut canvas, &appearance, &mut rng);
    figure(&mut canvas, &appearance, &pose);

    let image = SquareImage {
        name: format!("puppet-{index}.png"),
        pixels: canvas.reduced(size_px as u32),
        placement: Placement::whole([size_px as u32; 2]),
    };
    (image, pose.joints.to_vec())
}

/// Draws the same puppet as a PNG file. See `cli/tests/cli_files.rs`.
///
/// # Errors
/// [`Error::File`] if the PNG cannot be encoded.
pub fn puppet_png(index: usize, seed: u64, size_px: usize) -> Result<Vec<u8>> {
    let (image, _) = puppet(index, seed, size_px);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(
            &image.pixels,
            size_px as u32,
            size_px as u32,
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| Error::File(format!("The puppet could not be drawn ({error}).")))?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puppet_does_not_depend_on_other_puppets() {
        let few = puppets(3, 5, 32);
        let many = puppets(6, 5, 32);
        for i in 0..3 {
            assert_eq!(few.dataset.pixels(i), many.dataset.pixels(i));
            assert_eq!(few.joints[i], many.joints[i]);
            let (alone, joints) = puppet(i, 5, 32);
            assert_eq!(alone.pixels, few.dataset.pixels(i));
            assert_eq!(joints, few.joints[i]);
        }
        assert_ne!(few.dataset.pixels(0), few.dataset.pixels(1));
        assert_ne!(few.dataset.pixels(0), puppets(1, 6, 32).dataset.pixels(0));
        // The same puppet at another size.
        assert_eq!(puppet(2, 5, 96).1, few.joints[2]);
    }

    #[test]
    fn joints_lie_on_the_puppet() {
        for index in 0..300 {
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            rng.set_stream(index);
            let appearance = Appearance::new(&mut rng);
            let pose = Pose::new(&mut rng, &appearance);
            let mut canvas = Canvas::new(200);
            figure(&mut canvas, &appearance, &pose);
            for (name, joint) in JOINT_NAMES.iter().zip(pose.joints) {
                assert!(
                    joint.iter().all(|&v| (0.02..0.98).contains(&v)),
                    "{index} {name} {joint:?}"
                );
                let [x, y] = joint.map(|v| (v * 200.0) as u32);
                let alpha = canvas.pixmap.pixel(x, y).expect("inside").alpha();
                assert_eq!(alpha, 255, "{index} {name} {joint:?}");
            }
            // Nothing is cut off: the border stays clear except for the soft shadow.
            for i in 0..200 {
                for (x, y) in [(0, i), (199, i), (i, 0), (i, 199)] {
                    assert!(
                        canvas.pixmap.pixel(x, y).expect("inside").alpha() < 140,
                        "{index} {x} {y}"
                    );
                }
            }
            let height = pose.height;
            assert!((0.55..0.87).contains(&height), "{index} {height}");
        }
    }

    #[test]
    fn seed_determines_the_pose_on_every_platform() {
        let (_, joints) = puppet(0, 0, 32);
        let head = joints[HEAD];
        assert!(
            (head[0] - 0.548_571).abs() < 1e-4 && (head[1] - 0.213_571).abs() < 1e-4,
            "{head:?}"
        );
    }
}
