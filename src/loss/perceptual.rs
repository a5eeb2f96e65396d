//! The perceptual loss (Johnson et al., 2016): the distance of two images in the features of VGG16.

use burn::tensor::{Device, Tensor, TensorData};
use safetensors::SafeTensors;

use crate::error::{Error, Result};
use crate::ops;

/// The files of weights: the layers up to relu3_3, and those from there to relu4_3, which only four blocks need.
pub const WEIGHTS_FILES: [&str; 2] = ["vgg16_relu3_3.safetensors", "vgg16_relu4_3.safetensors"];

/// The convolutions of each block; its features are the output of the last ReLU.
const BLOCKS: [&[&str]; 4] = [
    &["conv1_1", "conv1_2"],
    &["conv2_1", "conv2_2"],
    &["conv3_1", "conv3_2", "conv3_3"],
    &["conv4_1", "conv4_2", "conv4_3"],
];

/// The first blocks of VGG16 with fixed weights, and the side to which they resize images. `tests/parity.rs` shows the use.
#[derive(Clone, Debug)]
pub struct Perceptual {
    /// The convolutions of each block, weight `[O,I,3,3]` and bias `[O]`. The first takes images minus `mean`.
    blocks: Vec<Vec<(Tensor<4>, Tensor<1>)>>,
    /// ImageNet's mean colour in `[-1, 1]`, `[1,3,1,1]`.
    mean: Tensor<4>,
    size: usize,
}

impl Perceptual {
    /// Returns how many of [`WEIGHTS_FILES`] a number of blocks needs.
    ///
    /// ```
    /// use autolink::loss::Perceptual;
    /// assert_eq!([3, 4].map(Perceptual::files_needed), [1, 2]);
    /// ```
    pub fn files_needed(blocks: usize) -> usize {
        if blocks > 3 { 2 } else { 1 }
    }

    /// Reads float16 weights from the bytes of [`WEIGHTS_FILES`], in order. Images are resized to `size` px. See `tests/parity.rs`.
    ///
    /// # Errors
    /// [`Error::Weights`] if a file is missing, damaged or not VGG16.
    pub fn from_bytes(
        files: &[&[u8]],
        blocks: usize,
        size: usize,
        device: &Device,
    ) -> Result<Self> {
        if files.len() < Self::files_needed(blocks) {
            return Err(Error::Weights(format!(
                "{blocks} blocks of VGG16 need {} as well.",
                WEIGHTS_FILES[1]
            )));
        }
        let damaged = |what: String| {
            Error::Weights(format!(
                "The VGG16 weights are damaged ({what}). Load them again."
            ))
        };
        let files = files
            .iter()
            .map(|bytes| SafeTensors::deserialize(bytes))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| damaged(error.to_string()))?;
        let tensor = |name: String| -> Result<TensorData> {
            let view = files
                .iter()
                .find_map(|file| file.tensor(&name).ok())
                .ok_or_else(|| damaged(format!("{name} is missing")))?;
            if view.dtype() != safetensors::Dtype::F16 {
                return Err(damaged(format!("{name} is not float16")));
            }
            let values: Vec<f32> = view
                .data()
                .chunks_exact(2)
                .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect();
            Ok(TensorData::new(values, view.shape().to_vec()))
        };
        let mut channels = 3;
        let mut blocks: Vec<Vec<_>> = BLOCKS[..blocks]
            .iter()
            .map(|names| {
                names
                    .iter()
                    .map(|name| {
                        let (weight, bias) = (
                            tensor(format!("{name}.weight"))?,
                            tensor(format!("{name}.bias"))?,
                        );
                        let outputs = bias.shape()[0];
                        if weight.shape().as_slice() != [outputs, channels, 3, 3] {
                            return Err(damaged(format!(
                                "{name} has the shape {:?}",
                                weight.shape()
                            )));
                        }
                        channels = outputs;
                        Ok((
                            Tensor::from_data(weight, device),
                            Tensor::from_data(bias, device),
                        ))
                    })
                    .collect()
            })
            .collect::<Result<_>>()?;
        // VGG16 was trained on ((x + 1) / 2 - mean) / std of each channel, which is (x - (2 mean - 1)) / (2 std). The first weights take up
        // the factor.
        const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
        const STD: [f32; 3] = [0.229, 0.224, 0.225];
        let colour = |values| Tensor::from_data(TensorData::new(values, [1, 3, 1, 1]), device);
        let (first, _) = &mut blocks[0][0];
        *first = first.clone() * colour(STD.map(|std| 0.5 / std).to_vec());
        let mean = colour(MEAN.map(|mean| 2.0 * mean - 1.0).to_vec());
        Ok(Self { blocks, mean, size })
    }

    /// `sum over blocks of mean |VGG_block(reconstruction) - VGG_block(images)|` (AutoLink's reconstruction loss).
    ///
    /// `[B,3,S,S]` in `[-1, 1]` both -> `[1]`. No gradient reaches `images`. See `tests/parity.rs`.
    pub fn loss(&self, reconstruction: Tensor<4>, images: Tensor<4>) -> Tensor<1> {
        self.loss_to(reconstruction, self.features(images.without_autodiff()))
    }

    /// Returns the loss as [`Perceptual::loss`] does, from [`Perceptual::features`] of the images.
    pub(crate) fn loss_to(&self, reconstruction: Tensor<4>, wanted: Vec<Tensor<4>>) -> Tensor<1> {
        self.distances(reconstruction, wanted)
            .into_iter()
            .reduce(|sum, l1| sum + l1)
            .expect("at least one block")
    }

    /// Returns the mean absolute difference of each block's features, `[1]` each. See `tests/parity.rs`.
    pub fn block_losses(&self, reconstruction: Tensor<4>, images: Tensor<4>) -> Vec<Tensor<1>> {
        self.distances(reconstruction, self.features(images.without_autodiff()))
    }

    /// Returns the mean absolute difference of each block's features from those `wanted`, `[1]` each.
    fn distances(&self, reconstruction: Tensor<4>, wanted: Vec<Tensor<4>>) -> Vec<Tensor<1>> {
        self.features(reconstruction)
            .into_iter()
            .zip(wanted)
            .map(|(found, wanted)| {
                let wanted = constant(&wanted, found.device().is_autodiff());
                ops::l1(found, wanted)
            })
            .collect()
    }

    /// Returns the shape `[C,size/2^k,size/2^k]` of the features of each block k.
    pub(crate) fn shapes(&self) -> Vec<[usize; 3]> {
        let shape = |(k, block): (usize, &Vec<(Tensor<4>, Tensor<1>)>)| {
            let [channels] = block.last().expect("convolutions").1.dims();
            [channels, self.size >> k, self.size >> k]
        };
        self.blocks.iter().enumerate().map(shape).collect()
    }

    /// Returns the features of each block k, `[B,C,size/2^k,size/2^k]`, of images `[B,3,S,S]` in `[-1, 1]`.
    pub(crate) fn features(&self, images: Tensor<4>) -> Vec<Tensor<4>> {
        let is_autodiff = images.device().is_autodiff();
        let mut x = ops::resize(images - constant(&self.mean, is_autodiff), self.size);
        let mut features = Vec::with_capacity(self.blocks.len());
        for (k, block) in self.blocks.iter().enumerate() {
            if k > 0 {
                x = ops::max_pool2x2(x);
            }
            for (weight, bias) in block {
                let (weight, bias) = (constant(weight, is_autodiff), constant(bias, is_autodiff));
                x = ops::conv3x3_leaky(x, weight, bias, 0.0); // ReLU
            }
            features.push(x.clone());
        }
        features
    }
}

/// Moves a constant to autodiff if the operands of its operation are there.
fn constant<const D: usize>(tensor: &Tensor<D>, is_autodiff: bool) -> Tensor<D> {
    match is_autodiff {
        true => tensor.clone().autodiff(),
        false => tensor.clone(),
    }
}
