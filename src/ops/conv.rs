//! 3x3 convolution with padding 1: nearly all of the arithmetic.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::{FloatTensorOps, ModuleOps};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Cube, Dispatch, TensorMetadata, backend_extension};
use burn::tensor::{Shape, Slice, Tensor, module::conv2d, ops::ConvOptions};

/// `y[b,o,r,c] = bias[o] + sum over i, dr, dc in -1..=1 of weight[o,i,dr+1,dc+1] x[b,i,r+dr,c+dc]`, zero outside.
///
/// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H,W]`.
pub fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let (x, weight, bias) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    );
    Tensor::from_dispatch(Dispatch::convolve(x, weight, bias, false))
}

/// [`conv3x3`] by burn.
pub fn conv3x3_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    conv2d(
        x,
        weight,
        Some(bias),
        ConvOptions::new([1, 1], [1, 1], [1, 1], 1),
    )
}

/// [`halve`](super::halve) of [`conv3x3`], in 4/9 of the arithmetic.
///
/// The mean of four neighbouring outputs is one output of a 4x4 kernel, the mean of the 3x3 kernel
/// at its four places, with stride 2 and padding 1: `w4[a,b] = (w3[a,b] + w3[a-1,b] + w3[a,b-1] + w3[a-1,b-1]) / 4`.
///
/// `x` `[B,I,H,W]` with even H and W, `weight` `[O,I,3,3]`, `bias` `[O]` -> `[B,O,H/2,W/2]`.
pub fn conv3x3_halve(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    let placed = |top, left| weight.clone().pad((left, 1 - left, top, 1 - top), 0.0); // [O,I,4,4]
    let weight = (placed(0, 0) + placed(0, 1) + placed(1, 0) + placed(1, 1)) * 0.25;
    let (x, weight, bias) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    );
    Tensor::from_dispatch(Dispatch::convolve(x, weight, bias, true))
}

/// [`conv3x3_halve`] as it is defined.
pub fn conv3x3_halve_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>) -> Tensor<4> {
    super::halve_reference(conv3x3_reference(x, weight, bias))
}

/// What burn calls the two convolutions: 3x3 with stride 1, 4x4 with stride 2, padding 1.
fn options(halving: bool) -> ConvOptions<2> {
    let stride = if halving { 2 } else { 1 };
    ConvOptions::new([stride, stride], [1, 1], [1, 1], 1)
}

/// The convolutions on every backend.
#[backend_extension(Autodiff, Cube, Flex)]
pub trait Convolution: Backend {
    /// 3x3 with stride 1 or, `halving`, 4x4 with stride 2; padding 1.
    ///
    /// `x` `[B,I,H,W]`, `weight` `[O,I,3,3]` or `[O,I,4,4]`, `bias` `[O]`.
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self>;
}

/// Their gradients. `x` and `weight` as above, `dy` as the output.
pub trait ConvolutionGradients: Convolution {
    /// By the input: `[B,I,H,W]`.
    fn by_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self>;

    /// By the weight: `[O,I,3,3]` or `[O,I,4,4]`.
    fn by_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self>;

    /// By the bias: `[O]`.
    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self>;
}

impl Convolution for Cube {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self> {
        Self::conv2d(x, weight, Some(bias), options(halving))
    }
}

impl ConvolutionGradients for Cube {
    fn by_x(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self> {
        Self::conv2d_x_backward(x, weight, dy, options(halving))
    }

    /// `dw[o,i,a,b] = sum over pictures and pixels of dy[o,r,c] x[i,s r+a-1,s c+b-1]`: a matrix product per tap and
    /// row of pixels, summed over rows.
    ///
    /// Burn's own gradient takes `dy` for a kernel as large as the picture; at 128 px it is off by a third.
    fn by_weight(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        dy: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self> {
        let [batch, inputs, height, width] = x.shape().dims();
        let [outputs, _, side, _] = weight.shape().dims();
        let [_, _, rows, columns] = dy.shape().dims();
        let stride = if halving { 2 } else { 1 };
        let span = |from: usize, count: usize, step: usize| {
            let end = from + (count - 1) * step + 1;
            Slice::new(from as isize, Some(end as isize), step as isize)
        };
        let all = |count| span(0, count, 1);
        let device = x.device();
        let dtype = x.dtype().into();
        let padded = Self::float_zeros(
            Shape::new([batch, inputs, height + 2, width + 2]),
            &device,
            dtype,
        );
        let inside = [
            all(batch),
            all(inputs),
            span(1, height, 1),
            span(1, width, 1),
        ];
        let padded = Self::float_slice_assign(padded, &inside, x);
        // [B,rows,O,columns]
        let dy = Self::float_permute(dy, &[0, 2, 1, 3]);
        let taps = (0..side * side)
            .map(|tap| {
                let (a, b) = (tap / side, tap % side);
                let seen = [
                    all(batch),
                    all(inputs),
                    span(a, rows, stride),
                    span(b, columns, stride),
                ];
                let seen = Self::float_slice(padded.clone(), &seen);
                let seen = Self::float_permute(seen, &[0, 2, 3, 1]); // [B,rows,columns,I]
                let products = Self::float_matmul(dy.clone(), seen); // [B,rows,O,I]
                let sum = Self::float_sum_dims(products, &[0, 1]);
                Self::float_reshape(sum, Shape::new([outputs, inputs, 1]))
            })
            .collect();
        let taps = Self::float_cat(taps, 2); // [O,I,side^2]
        Self::float_reshape(taps, Shape::new([outputs, inputs, side, side]))
    }

    fn by_bias(dy: FloatTensor<Self>) -> FloatTensor<Self> {
        let [_, outputs, _, _] = dy.shape().dims();
        Self::float_reshape(Self::float_sum_dims(dy, &[0, 2, 3]), Shape::new([outputs]))
    }
}

#[derive(Debug)]
struct ConvolutionBackward {
    halving: bool,
}

impl<B: ConvolutionGradients> Backward<B, 3> for ConvolutionBackward {
    /// x, weight
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let [of_x, of_weight, of_bias] = ops.parents;
        let dy = grads.consume::<B>(&ops.node);
        let (x, weight) = ops.state;
        if let Some(node) = of_x {
            let dx = B::by_x(x.clone(), weight.clone(), dy.clone(), self.halving);
            grads.register::<B>(node.id, dx);
        }
        if let Some(node) = of_weight {
            let dw = B::by_weight(x, weight, dy.clone(), self.halving);
            grads.register::<B>(node.id, dw);
        }
        if let Some(node) = of_bias {
            grads.register::<B>(node.id, B::by_bias(dy));
        }
    }
}

impl<B: ConvolutionGradients, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
    fn convolve(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        halving: bool,
    ) -> FloatTensor<Self> {
        let nodes = [x.node(), weight.node(), bias.node()];
        let (x, weight, bias) = (
            x.into_primitive(),
            weight.into_primitive(),
            bias.into_primitive(),
        );
        let y = B::convolve(x.clone(), weight.clone(), bias, halving);
        let backward = ConvolutionBackward { halving };
        match Backward::<B, 3>::prepare::<C>(backward, nodes)
            .compute_bound()
            .stateful()
        {
            OpsKind::Tracked(prepared) => prepared.finish((x, weight), y),
            OpsKind::UnTracked(prepared) => prepared.finish(y),
        }
    }
}
