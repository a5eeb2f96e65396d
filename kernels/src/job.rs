//! The description of a convolution without its values: pass, kind and size, and how it splits into shards that are computed apart.

use std::ops::Range;

use super::Shape;
use super::conv::{self, OUTPUTS, stride2};

/// Kernel size and stride of a convolution with padding 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvKind {
    /// 3x3 with stride 1; the output is as large as the input.
    Same3x3,
    /// 4x4 with stride 2: a 3x3 convolution with its 2x2 average pooling, see `autolink::ops::conv3x3_avg_pool`. The output has half the side.
    AvgPool4x4Stride2,
}

impl ConvKind {
    /// Weights per input and output channel: 9 or 16.
    pub fn taps(self) -> usize {
        match self {
            ConvKind::Same3x3 => 9,
            ConvKind::AvgPool4x4Stride2 => 16,
        }
    }

    /// Pixels from one output to the next: 1 or 2.
    pub fn stride(self) -> usize {
        match self {
            ConvKind::Same3x3 => 1,
            ConvKind::AvgPool4x4Stride2 => 2,
        }
    }
}

/// The result of a convolution's job, and the operands `a` and `b` that it is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvPass {
    /// The output, from `x` and the weight.
    Forward,
    /// The input gradient, from `dy` and the weight.
    InputGrad,
    /// The weight gradient, from `x` and `dy`.
    WeightGrad,
}

/// One pass of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvJob {
    /// The result, and which tensors `a` and `b` are.
    pub pass: ConvPass,
    /// Kernel size and stride.
    pub kind: ConvKind,
    /// Shape of `a`.
    pub shape: Shape,
    /// Channels of the tensor that is not `a`: of `y` in the forward pass, of `dy` for the weight gradient, of `x` for the input
    /// gradient.
    pub other_channels: usize,
}

/// One shard of a job: ranges of values that it reads and writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShard {
    /// The shard as a job of its own.
    pub job: ConvJob,
    /// The range of `a`.
    pub a: Range<usize>,
    /// The ranges of `b`, whose concatenation is the shard's `b`.
    pub b: Vec<Range<usize>>,
    /// The range of the result.
    pub y: Range<usize>,
}

impl ConvJob {
    /// Computes the whole job from the operands of its [`ConvPass`], with the bias `[other_channels]` in the forward pass. Returns
    /// `[B,other_channels,H',W']`, or the weight's shape.
    pub fn run(self, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        match (self.pass, self.kind) {
            (ConvPass::Forward, ConvKind::Same3x3) => conv::forward(a, self.shape, b, bias),
            (ConvPass::InputGrad, ConvKind::Same3x3) => conv::input_grad(a, self.shape, b),
            (ConvPass::WeightGrad, ConvKind::Same3x3) => conv::weight_grad(a, self.shape, b),
            (ConvPass::Forward, ConvKind::AvgPool4x4Stride2) => {
                stride2::forward(a, self.shape, b, bias)
            }
            (ConvPass::InputGrad, ConvKind::AvgPool4x4Stride2) => {
                stride2::input_grad(a, self.shape, b)
            }
            (ConvPass::WeightGrad, ConvKind::AvgPool4x4Stride2) => {
                stride2::weight_grad(a, self.shape, b)
            }
        }
    }

    /// Pixels of a channel of `a`, and of the other tensor.
    fn pixels(&self) -> [usize; 2] {
        let [_, _, height, width] = self.shape;
        let pixels = height * width;
        match (self.pass, self.kind) {
            (_, ConvKind::Same3x3) => [pixels, pixels],
            (ConvPass::InputGrad, ConvKind::AvgPool4x4Stride2) => [pixels, 4 * pixels],
            (_, ConvKind::AvgPool4x4Stride2) => [pixels, pixels / 4],
        }
    }

    /// The number of values of `a`, of `b` and of the result.
    pub fn lengths(&self) -> [usize; 3] {
        let [batch, channels, _, _] = self.shape;
        let [pixels, other_pixels] = self.pixels();
        let weight = channels * self.other_channels * self.kind.taps();
        let other = batch * self.other_channels * other_pixels;
        let [b, y] = match self.pass {
            ConvPass::WeightGrad => [other, weight],
            ConvPass::Forward | ConvPass::InputGrad => [weight, other],
        };
        [batch * channels * pixels, b, y]
    }

    /// The number of multiplications of the direct sum; Winograd's algorithm needs fewer.
    pub fn multiplications(&self) -> usize {
        let [batch, channels, _, _] = self.shape;
        let [pixels, other_pixels] = self.pixels();
        batch * channels * self.other_channels * self.kind.taps() * pixels.min(other_pixels)
    }

    /// The number of units that shards consist of: images or, for the weight gradient, blocks of output channels. No sum spans two
    /// units, so the result is the same bit for bit for all ways to split it.
    pub fn units(&self) -> usize {
        match self.pass {
            ConvPass::WeightGrad => self.other_channels.div_ceil(OUTPUTS),
            ConvPass::Forward | ConvPass::InputGrad => self.shape[0],
        }
    }

    /// Returns the shard of a range of units.
    pub fn shard(self, units: Range<usize>) -> ConvShard {
        let [a, b, y] = self.lengths();
        let [batch, channels, height, width] = self.shape;
        if self.pass != ConvPass::WeightGrad {
            let images = |len: usize| units.start * (len / batch)..units.end * (len / batch);
            let shape = [units.len(), channels, height, width];
            return ConvShard {
                job: ConvJob { shape, ..self },
                a: images(a),
                b: std::iter::once(0..b).collect(),
                y: images(y),
            };
        }
        let (first, end) = (
            units.start * OUTPUTS,
            (units.end * OUTPUTS).min(self.other_channels),
        );
        let outputs =
            |len: usize| first * (len / self.other_channels)..end * (len / self.other_channels);
        let image = b / batch;
        let other_channels = end - first;
        ConvShard {
            job: ConvJob {
                other_channels,
                ..self
            },
            a: 0..a,
            b: (0..batch)
                .map(|i| {
                    let channels = outputs(image);
                    i * image + channels.start..i * image + channels.end
                })
                .collect(),
            y: outputs(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Deterministic values without a visible pattern.
    fn values(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 300.0)
            .collect()
    }

    #[test]
    fn shards_equal_the_whole_job_bit_for_bit() {
        for pass in [ConvPass::Forward, ConvPass::InputGrad, ConvPass::WeightGrad] {
            for kind in [ConvKind::Same3x3, ConvKind::AvgPool4x4Stride2] {
                let shape = [5, 6, 8, 12];
                let job = ConvJob {
                    pass,
                    kind,
                    shape,
                    other_channels: 9,
                };
                let [a, b, y] = job.lengths();
                let (a, b, bias) = (values(a), values(b), values(9));
                let bias = (pass == ConvPass::Forward).then_some(&bias[..]);
                let whole = job.run(&a, &b, bias);
                assert_eq!(whole.len(), y, "{job:?}");
                for count in 1..=job.units() {
                    let bounds: Vec<usize> = (0..=count).map(|i| i * job.units() / count).collect();
                    let shards = bounds.windows(2).flat_map(|units| {
                        let shard = job.shard(units[0]..units[1]);
                        let b: Vec<f32> = shard
                            .b
                            .iter()
                            .flat_map(|range| &b[range.clone()])
                            .copied()
                            .collect();
                        let y = shard.job.run(&a[shard.a], &b, bias);
                        assert_eq!(y.len(), shard.y.len());
                        y
                    });
                    assert!(
                        shards.eq(whole.iter().copied()),
                        "{job:?} in {count} shards"
                    );
                }
            }
        }
    }
}
