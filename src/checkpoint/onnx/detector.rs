//! Exports the detector: the graph computes the same as `model::Detector::forward` and `model::Detection::confidence`.

use super::graph::{Graph, float, int, ints, text};
use crate::checkpoint::tensors::misfit;
use crate::error::Result;
use crate::model::Detection;
use crate::model::blocks::{LEAKY_SLOPE, Norm};
use crate::model::detector::spatial_prior;
use crate::ops::cpu::heatmap::pixel_positions;

/// Prefix of the authors' names of the detector's layers.
pub(super) const LAYERS: &str = "encoder.detector.conv";

impl Graph<'_> {
    /// Adds the whole detector: `image` -> `keypoints`, `confidence`, `heatmap`.
    pub(super) fn detect(&mut self, size: usize, count: usize, spread: f64) -> Result<()> {
        let width = self.width()?;
        let [one, two] = [("one", 1.0), ("two", 2.0)].map(|(name, v)| self.floats(name, &[], &[v]));
        let doubled = self.node("Mul", &["image", &two], vec![]);
        let mut x = self.node("Sub", &[&doubled, &one], vec![]); // [N,3,S,S] in [-1, 1]
        for (i, io) in [3, width, 2 * width, 4 * width, 8 * width]
            .windows(2)
            .enumerate()
        {
            x = self.residual_block(&x, &format!("{LAYERS}.{i}"), [io[0], io[1]])?;
        }
        for (i, io) in [(4, [8 * width, 4 * width]), (5, [4 * width, 2 * width])] {
            x = self.up_block(&x, &format!("{LAYERS}.{i}"), io)?;
        }
        let side = size / 4;
        let mut logits = self.conv(&x, &format!("{LAYERS}.6"), None, [2 * width, count])?;
        if spread != 0.0 {
            let prior = spatial_prior(spread, count, side, side);
            let prior = self.floats("prior", &[1, count, side, side], &prior);
            logits = self.node("Add", &[&logits, &prior], vec![]);
        }

        // heatmap = softmax over pixels
        let [k, h] = [count as i64, side as i64];
        let flat = self.integers("flat", &[0, k, h * h]);
        let square = self.integers("square", &[0, k, h, h]);
        let logits = self.node("Reshape", &[&logits, &flat], vec![]);
        let heatmap = self.node("Softmax", &[&logits], vec![int("axis", 2)]); // [N,K,hw]
        self.output("heatmap", "Reshape", &[&heatmap, &square], vec![]);

        // keypoint = sum over pixels p of heatmap(p) p
        let pixels = self.floats("pixels", &[side * side, 2], &pixel_positions(side, side));
        let keypoint = self.node("MatMul", &[&heatmap, &pixels], vec![]); // [N,K,2] (row, col) in [-1, 1]

        self.confidence(&heatmap, &keypoint, &pixels);

        // (row, col) in [-1, 1] between the centres of the corner pixels -> (x, y) in [0, 1] between the borders:
        // x = ((col + 1) / 2 (S - 1) + 1/2) / S = col (S - 1) / (2 S) + 1/2
        let half = self.floats("half", &[], &[0.5]);
        let scale = (0.5 * (size - 1) as f64 / size as f64) as f32;
        let swap = self.floats("swap", &[2, 2], &[0.0, scale, scale, 0.0]);
        let xy = self.node("MatMul", &[&keypoint, &swap], vec![]);
        self.output("keypoints", "Add", &[&xy, &half], vec![]);
        Ok(())
    }

    /// Adds two convolutions and a shortcut, which halve the size: `[N,I,H,W]` -> `[N,O,H/2,W/2]`.
    ///
    /// The norm comes after the pooling. It is affine, so it commutes with a mean of pixels and can still be folded.
    fn residual_block(
        &mut self,
        x: &str,
        path: &str,
        [inputs, outputs]: [usize; 2],
    ) -> Result<String> {
        let layer = |name: &str| format!("{path}.{name}");
        let shortcut = self.conv(
            x,
            &layer("conv_res.0"),
            Some(&layer("conv_res.2")),
            [inputs, outputs],
        )?;
        let shortcut = self.avg_pool2x2(&shortcut);
        let x = self.conv(x, &layer("net.0"), Some(&layer("net.2")), [inputs, outputs])?;
        let x = self.avg_pool2x2(&x);
        let x = self.leaky_relu(&x);
        let x = self.conv(
            &x,
            &layer("net.4"),
            Some(&layer("net.5")),
            [outputs, outputs],
        )?;
        let sum = self.node("Add", &[&x, &shortcut], vec![]);
        Ok(self.leaky_relu(&sum))
    }

    /// Adds a 2x upsampling and a convolution: `[N,I,H,W]` -> `[N,O,2H,2W]`.
    fn up_block(&mut self, x: &str, path: &str, channels: [usize; 2]) -> Result<String> {
        let x = self.upsample2x(x);
        let (conv, norm) = (format!("{path}.net.1"), format!("{path}.net.2"));
        let x = self.conv(&x, &conv, Some(&norm), channels)?;
        Ok(self.leaky_relu(&x))
    }

    /// Adds a 3x3 convolution with padding 1, with the norm after it folded in: `[N,I,H,W]` -> `[N,O,H,W]`.
    ///
    /// `gamma (w * x + b - mean) / sqrt(var + epsilon) + beta = (s w) * x + s (b - mean) + beta`
    fn conv(
        &mut self,
        x: &str,
        path: &str,
        norm: Option<&str>,
        [inputs, outputs]: [usize; 2],
    ) -> Result<String> {
        const EPSILON: f64 = Norm::EPSILON;
        let join = |path: &str, name: &str| format!("{path}.{name}");
        let shape = [outputs, inputs, 3, 3];
        let mut weight = self.tensor(&join(path, "weight"), &shape)?.to_vec();
        let mut bias = self.tensor(&join(path, "bias"), &[outputs])?.to_vec();
        if let Some(norm) = norm {
            let [gamma, beta, mean, var] = ["weight", "bias", "running_mean", "running_var"]
                .map(|name| self.tensor(&join(norm, name), &[outputs]));
            let (gamma, beta, mean, var) = (gamma?, beta?, mean?, var?);
            for (o, filter) in weight.chunks_mut(inputs * 9).enumerate() {
                let scale = f64::from(gamma[o]) / (f64::from(var[o]) + EPSILON).sqrt();
                for w in filter {
                    *w = (scale * f64::from(*w)) as f32;
                }
                let centred = f64::from(bias[o]) - f64::from(mean[o]);
                bias[o] = (scale * centred + f64::from(beta[o])) as f32;
            }
        }
        let weight = self.floats(&join(path, "weight"), &shape, &weight);
        let bias = self.floats(&join(path, "bias"), &[outputs], &bias);
        let window = vec![ints("kernel_shape", &[3, 3]), ints("pads", &[1, 1, 1, 1])];
        Ok(self.node("Conv", &[x, &weight, &bias], window))
    }

    fn leaky_relu(&mut self, x: &str) -> String {
        self.node("LeakyRelu", &[x], vec![float("alpha", LEAKY_SLOPE as f32)])
    }

    /// Adds a bilinear resize to half the size, which is the mean of 2x2 pixels: `[N,C,H,W]` -> `[N,C,H/2,W/2]`.
    fn avg_pool2x2(&mut self, x: &str) -> String {
        let window = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
        self.node("AveragePool", &[x], window)
    }

    /// Adds a bilinear upsampling with half-pixel centres and repeated borders: `[N,C,H,W]` -> `[N,C,2H,2W]`.
    fn upsample2x(&mut self, x: &str) -> String {
        let scales = self.floats("double", &[4], &[1.0, 1.0, 2.0, 2.0]);
        let mode = vec![
            text("mode", "linear"),
            text("coordinate_transformation_mode", "half_pixel"),
        ];
        self.node("Resize", &[x, "", &scales], mode)
    }

    /// Adds the confidence, the share of each heatmap within a tenth of the side of its keypoint: `[N,K,hw]`, `[N,K,2]`,
    /// `[hw,2]` -> `[N,K]`.
    fn confidence(&mut self, heatmap: &str, keypoint: &str, pixels: &str) {
        const RADIUS: f64 = Detection::CONFIDENCE_RADIUS; // a tenth of the side, which spans 2
        let axis_2 = self.integers("axis_2", &[2]);
        let limit = self.floats("radius_squared", &[], &[(RADIUS * RADIUS) as f32]);
        let zero = self.floats("zero", &[], &[0.0]);
        let keypoint = self.node("Unsqueeze", &[keypoint, &axis_2], vec![]); // [N,K,1,2]
        let offset = self.node("Sub", &[pixels, &keypoint], vec![]); // [N,K,hw,2]
        let over_axis_3 = vec![ints("axes", &[3]), int("keepdims", 0)];
        let squared = self.node("ReduceSumSquare", &[&offset], over_axis_3); // [N,K,hw]
        let near = self.node("LessOrEqual", &[&squared, &limit], vec![]);
        let mass = self.node("Where", &[&near, heatmap, &zero], vec![]);
        let over_pixels = [mass.as_str(), &axis_2];
        self.output(
            "confidence",
            "ReduceSum",
            &over_pixels,
            vec![int("keepdims", 0)],
        );
    }

    /// Returns the number of channels of the first layer.
    fn width(&self) -> Result<usize> {
        let name = format!("{LAYERS}.0.net.0.bias");
        match self.state.get(&name) {
            Some((shape, _)) if shape.len() == 1 && shape[0] > 0 => Ok(shape[0]),
            Some((shape, _)) => Err(misfit(format!("{name} has the shape {shape:?}"))),
            None => Err(misfit(format!("it has no {name}"))),
        }
    }
}
