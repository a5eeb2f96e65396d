//! A convolution without its values: which it is, how large, and how it falls into parts that can be computed apart.

use std::ops::Range;

use super::conv::{self, OUTPUTS, Shape};

/// What is computed, from which `a` and `b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConvPass {
    /// From `x` and the weight.
    Forward,
    /// The gradient by the input, from `dy` and the weight.
    ByInput,
    /// The gradient by the weight, from `x` and `dy`.
    ByWeight,
}

/// A convolution: 3x3 with stride 1 or, `halving`, 4x4 with stride 2; padding 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvJob {
    /// What is computed.
    pub kind: ConvPass,
    /// 4x4 with stride 2.
    pub halving: bool,
    /// Of `a`.
    pub shape: Shape,
    /// Channels of the other side: of `y` forward and by the weight, of `x` by the input.
    pub others: usize,
}

/// What a part reads of `a` and `b`, and writes of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvShard {
    /// The part as a convolution of its own.
    pub plan: ConvJob,
    /// Of `a`.
    pub a: Range<usize>,
    /// Of `b`, one behind the other.
    pub b: Vec<Range<usize>>,
    /// Of the result.
    pub y: Range<usize>,
}

impl ConvJob {
    /// All of it: `a` and `b` as [`ConvPass`] says, with the bias `[others]` if it is forward. The result's shape is
    /// `[B,others,H',W']`, or the weight's.
    pub fn run(self, a: &[f32], b: &[f32], bias: Option<&[f32]>) -> Vec<f32> {
        match (self.kind, self.halving) {
            (ConvPass::Forward, false) => conv::forward(a, self.shape, b, bias),
            (ConvPass::Forward, true) => conv::halving_forward(a, self.shape, b, bias),
            (ConvPass::ByInput, false) => conv::input_gradient(a, self.shape, b),
            (ConvPass::ByInput, true) => conv::halving_input_gradient(a, self.shape, b),
            (ConvPass::ByWeight, false) => conv::weight_gradient(a, self.shape, b),
            (ConvPass::ByWeight, true) => conv::halving_weight_gradient(a, self.shape, b),
        }
    }

    fn taps(&self) -> usize {
        if self.halving { 16 } else { 9 }
    }

    /// Pixels of a picture of `a`, and of the other side.
    fn pixels(&self) -> [usize; 2] {
        let [_, _, height, width] = self.shape;
        let pixels = height * width;
        match (self.kind, self.halving) {
            (_, false) => [pixels, pixels],
            (ConvPass::ByInput, true) => [pixels, 4 * pixels],
            (_, true) => [pixels, pixels / 4],
        }
    }

    /// Values of `a`, of `b` and of the result.
    pub fn lengths(&self) -> [usize; 3] {
        let [batch, channels, _, _] = self.shape;
        let [pixels, other_pixels] = self.pixels();
        let weight = channels * self.others * self.taps();
        let others = batch * self.others * other_pixels;
        let [b, y] = match self.kind {
            ConvPass::ByWeight => [others, weight],
            _ => [weight, others],
        };
        [batch * channels * pixels, b, y]
    }

    /// Multiplications, as the definition has them.
    pub fn multiplications(&self) -> usize {
        let [batch, channels, _, _] = self.shape;
        let [pixels, other_pixels] = self.pixels();
        batch * channels * self.others * self.taps() * pixels.min(other_pixels)
    }

    /// Into how many parts it could fall: pictures or, by the weight, blocks of outputs. No sum is divided, so the result
    /// is the same bit for bit however it is divided.
    pub fn units(&self) -> usize {
        match self.kind {
            ConvPass::ByWeight => self.others.div_ceil(OUTPUTS),
            _ => self.shape[0],
        }
    }

    /// The part of some neighbouring units.
    pub fn part(self, units: Range<usize>) -> ConvShard {
        let [a, b, y] = self.lengths();
        let [batch, channels, height, width] = self.shape;
        if self.kind != ConvPass::ByWeight {
            let pictures = |len: usize| units.start * (len / batch)..units.end * (len / batch);
            let shape = [units.len(), channels, height, width];
            return ConvShard {
                plan: ConvJob { shape, ..self },
                a: pictures(a),
                b: std::iter::once(0..b).collect(),
                y: pictures(y),
            };
        }
        let (first, end) = (
            units.start * OUTPUTS,
            (units.end * OUTPUTS).min(self.others),
        );
        let outputs = |len: usize| first * (len / self.others)..end * (len / self.others);
        let picture = b / batch;
        let others = end - first;
        ConvShard {
            plan: ConvJob { others, ..self },
            a: 0..a,
            b: (0..batch)
                .map(|p| {
                    let channels = outputs(picture);
                    p * picture + channels.start..p * picture + channels.end
                })
                .collect(),
            y: outputs(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values without a pattern.
    fn values(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| ((i * 7919 % 1000) as f32 - 500.0) / 300.0)
            .collect()
    }

    #[test]
    fn parts_together_are_the_whole_bit_for_bit() {
        for kind in [ConvPass::Forward, ConvPass::ByInput, ConvPass::ByWeight] {
            for halving in [false, true] {
                let shape = [5, 6, 8, 12];
                let plan = ConvJob {
                    kind,
                    halving,
                    shape,
                    others: 9,
                };
                let [a, b, y] = plan.lengths();
                let (a, b, bias) = (values(a), values(b), values(9));
                let bias = (kind == ConvPass::Forward).then_some(&bias[..]);
                let whole = plan.run(&a, &b, bias);
                assert_eq!(whole.len(), y, "{plan:?}");
                for count in 1..=plan.units() {
                    let bounds: Vec<usize> =
                        (0..=count).map(|i| i * plan.units() / count).collect();
                    let parts = bounds.windows(2).flat_map(|units| {
                        let part = plan.part(units[0]..units[1]);
                        let b: Vec<f32> = part
                            .b
                            .iter()
                            .flat_map(|range| &b[range.clone()])
                            .copied()
                            .collect();
                        let y = part.plan.run(&a[part.a], &b, bias);
                        assert_eq!(y.len(), part.y.len());
                        y
                    });
                    assert!(parts.eq(whole.iter().copied()), "{plan:?} in {count} parts");
                }
            }
        }
    }
}
