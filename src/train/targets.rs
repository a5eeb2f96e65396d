//! What the perceptual loss compares reconstructions with: VGG16's features of the training images, computed once for each image.

use std::collections::HashMap;

use burn::tensor::{Int, Tensor, TensorData};

use crate::data::Pick;
use crate::device::{KernelBackend, kernel_backend};
use crate::loss::Perceptual;

/// Bytes of features that are kept. An image has 258 kB at 24 px and 458 kB at 32 px with three blocks.
const BUDGET: usize = if cfg!(target_family = "wasm") {
    128 << 20
} else {
    512 << 20
};

/// The features of the images that were in a batch before: neither VGG16 nor the images change. They are kept on the CPU only, and only
/// if those of all images fit into [`BUDGET`]. The loss stays the same bit for bit, because no convolution mixes images; see this
/// module's test.
pub(super) struct Targets {
    /// Each image with its features, `[C,h,w]` of each block one after another.
    kept: HashMap<Pick, Vec<f32>>,
    /// Number of images that can occur; a mirrored image counts as one more.
    images: usize,
}

impl Targets {
    /// Starts with none of `images` images, which are mirrored at random if `flip`.
    pub(super) fn new(images: usize, flip: bool) -> Self {
        Self {
            kept: HashMap::new(),
            images: if flip { 2 * images } else { images },
        }
    }

    /// Returns the features of each block k, `[B,C,size/2^k,size/2^k]`, of a batch. `images` `[B,3,S,S]` in `[-1, 1]` are the `picks` that
    /// the dataset gathered.
    pub(super) fn features(
        &mut self,
        perceptual: &Perceptual,
        picks: &[Pick],
        images: Tensor<4>,
    ) -> Vec<Tensor<4>> {
        let device = images.device();
        let shapes = perceptual.shapes();
        let values = |[c, h, w]: [usize; 3]| c * h * w;
        let bytes = size_of::<f32>() * shapes.iter().copied().map(values).sum::<usize>();
        let fit = self.images.saturating_mul(bytes) <= BUDGET;
        if !fit || kernel_backend(&device) != KernelBackend::Cpu {
            return perceptual.features(images);
        }
        let missing: Vec<usize> = (0..picks.len())
            .filter(|i| !self.kept.contains_key(&picks[*i]) && !picks[..*i].contains(&picks[*i]))
            .collect();
        if !missing.is_empty() {
            let indices: Vec<i64> = missing.iter().map(|i| *i as i64).collect();
            let indices = Tensor::<1, Int>::from_data(indices.as_slice(), &device);
            for block in perceptual.features(images.select(0, indices)) {
                let data = block.into_data().try_into_vec::<f32>().expect("float32");
                let pieces = data.chunks_exact(data.len() / missing.len());
                for (i, piece) in missing.iter().zip(pieces) {
                    let features = self.kept.entry(picks[*i]);
                    let empty = || Vec::with_capacity(bytes / size_of::<f32>());
                    features.or_insert_with(empty).extend(piece);
                }
            }
        }
        let mut start = 0;
        let block = |shape @ [c, h, w]: [usize; 3]| {
            let range = start..start + values(shape);
            start = range.end;
            let batch = picks
                .iter()
                .flat_map(|pick| &self.kept[pick][range.clone()]);
            let batch = TensorData::new(batch.copied().collect(), [picks.len(), c, h, w]);
            Tensor::from_data(batch, &device)
        };
        shapes.into_iter().map(block).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synthetic::puppets;
    use burn::tensor::Device;

    #[test]
    fn features_from_memory_equal_computed_ones_bit_for_bit() {
        let device = Device::flex();
        let weights = include_bytes!("../../weights/vgg16_relu3_3.safetensors");
        let perceptual = Perceptual::from_bytes(&[weights], 3, 24, &device).expect("reads");
        let dataset = puppets(5, 0, 48).dataset;
        let mut targets = Targets::new(dataset.len(), true);
        let pick = |index, flipped| Pick { index, flipped };
        let batches = [
            vec![pick(0, false), pick(1, false), pick(1, false)],
            vec![
                pick(1, true),
                pick(0, false),
                pick(2, false),
                pick(4, false),
            ],
            vec![pick(4, false), pick(1, true), pick(1, false)], // all kept
        ];
        for (picks, kept) in batches.iter().zip([2, 5, 5]) {
            let images = TensorData::new(dataset.gather(picks), [picks.len(), 3, 48, 48]);
            let images = Tensor::from_data(images, &device);
            let found = targets.features(&perceptual, picks, images.clone());
            assert_eq!(targets.kept.len(), kept);
            let wanted = perceptual.features(images);
            assert_eq!(found.len(), 3);
            for (found, wanted) in found.into_iter().zip(wanted) {
                found.into_data().assert_eq(&wanted.into_data(), true);
            }
        }
    }

    #[test]
    fn features_are_not_kept_where_those_of_all_images_would_not_fit() {
        let device = Device::flex();
        let weights = include_bytes!("../../weights/vgg16_relu3_3.safetensors");
        let perceptual = Perceptual::from_bytes(&[weights], 3, 24, &device).expect("reads");
        let mut targets = Targets::new(1_000_000, false);
        let picks = [Pick {
            index: 7,
            flipped: false,
        }];
        let images = Tensor::zeros([1, 3, 48, 48], &device);
        assert_eq!(targets.features(&perceptual, &picks, images).len(), 3);
        assert!(targets.kept.is_empty());
    }
}
