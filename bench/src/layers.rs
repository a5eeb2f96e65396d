//! The 3x3 convolutions of model and loss, which are all but a few percent of the arithmetic of a step.

use autolink::config::{Config, LossKind};

/// A 3x3 convolution.
pub struct Layer {
    pub name: String,
    pub inputs: usize,
    pub outputs: usize,
    /// Side of its input, px.
    pub side: usize,
    /// Passes per step: forward, input gradient (except for the first layers), weight gradient.
    pub passes: usize,
}

impl Layer {
    /// Counts the operations of one pass over one image in a direct convolution; Winograd's algorithm needs half of them.
    pub fn operations(&self) -> f64 {
        2.0 * 9.0 * (self.inputs * self.outputs * self.side * self.side) as f64
    }
}

/// Lists the layers of detector and decoder, see `src/model`.
pub fn model_layers(config: &Config) -> Vec<Layer> {
    let Config {
        size,
        width: w,
        keypoints,
        ..
    } = *config;
    let mut layers = Vec::new();
    let mut add = |name: String, inputs, outputs, side, passes| {
        layers.push(Layer {
            name,
            inputs,
            outputs,
            side,
            passes,
        });
    };
    for (i, [inputs, outputs]) in [[3, w], [w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> i;
        let passes = if i == 0 { 2 } else { 3 }; // The image needs no gradient.
        add(
            format!("detector.down.{i}.conv1"),
            inputs,
            outputs,
            side,
            passes,
        );
        add(
            format!("detector.down.{i}.conv2"),
            outputs,
            outputs,
            side / 2,
            3,
        );
        add(
            format!("detector.down.{i}.shortcut"),
            inputs,
            outputs,
            side,
            passes,
        );
    }
    add("detector.up.0.conv".into(), 8 * w, 4 * w, size / 8, 3);
    add("detector.up.1.conv".into(), 4 * w, 2 * w, size / 4, 3);
    add("detector.head".into(), 2 * w, keypoints, size / 4, 3);
    add("decoder.first".into(), 4, w, size, 3);
    for (i, [inputs, outputs]) in [[w, 2 * w], [2 * w, 4 * w], [4 * w, 8 * w], [8 * w, 8 * w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> i;
        add(format!("decoder.down.{i}.conv1"), inputs, outputs, side, 3);
        add(format!("decoder.down.{i}.conv2"), outputs, outputs, side, 3);
    }
    for (i, [inputs, outputs]) in [[8 * w, 8 * w], [16 * w, 4 * w], [8 * w, 2 * w], [4 * w, w]]
        .into_iter()
        .enumerate()
    {
        let side = size >> (3 - i);
        add(format!("decoder.up.{i}.conv1"), inputs, outputs, side, 3);
        add(format!("decoder.up.{i}.conv2"), outputs, outputs, side, 3);
    }
    add("decoder.last".into(), 2 * w, 3, size, 3);
    layers
}

/// Lists the layers of VGG16 that the loss uses: two forward passes (image and reconstruction) and one input gradient.
pub fn perceptual_loss_layers(config: &Config) -> Vec<Layer> {
    const BLOCKS: [&[[usize; 2]]; 4] = [
        &[[3, 64], [64, 64]],
        &[[64, 128], [128, 128]],
        &[[128, 256], [256, 256], [256, 256]],
        &[[256, 512], [512, 512], [512, 512]],
    ];
    let blocks = BLOCKS[..config.perceptual_blocks].iter().enumerate();
    blocks
        .flat_map(|(i, convolutions)| {
            let side = config.perceptual_size >> i;
            (convolutions.iter().enumerate()).map(move |(k, &[inputs, outputs])| Layer {
                name: format!("conv{}_{}", i + 1, k + 1),
                inputs,
                outputs,
                side,
                passes: 3,
            })
        })
        .collect()
}

/// Lists the layers of a training step.
pub fn step_layers(config: &Config) -> Vec<Layer> {
    let mut layers = model_layers(config);
    if config.loss == LossKind::Perceptual {
        layers.extend(perceptual_loss_layers(config));
    }
    layers
}

/// Counts the operations of a step per image.
pub fn step_operations(config: &Config) -> f64 {
    let layers = step_layers(config);
    layers
        .iter()
        .map(|layer| layer.passes as f64 * layer.operations())
        .sum()
}

#[cfg(test)]
mod tests {
    use autolink::config::Preset;
    use autolink::loss::WEIGHTS_FILES;
    use autolink::model::AutoLink;
    use burn::module::{Module, ModuleVisitor, Param};
    use burn::tensor::{Device, Tensor};
    use safetensors::SafeTensors;

    use super::*;

    /// Collects inputs and outputs of every 3x3 convolution.
    #[derive(Default)]
    struct Shapes(Vec<[usize; 2]>);

    impl ModuleVisitor for Shapes {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let [outputs, inputs, 3, 3] = param.shape().dims::<D>()[..] {
                self.0.push([inputs, outputs]);
            }
        }
    }

    fn shapes(layers: &[Layer]) -> Vec<[usize; 2]> {
        let mut shapes: Vec<_> = layers.iter().map(|l| [l.inputs, l.outputs]).collect();
        shapes.sort_unstable();
        shapes
    }

    #[test]
    fn model_layers_match_the_model() {
        let config = Config {
            keypoints: 5,
            width: 4,
            ..Config::preset(Preset::Tiny)
        };
        let mut found = Shapes::default();
        AutoLink::init(&config, &Device::flex()).visit(&mut found);
        found.0.sort_unstable();
        assert_eq!(found.0, shapes(&model_layers(&config)));
    }

    #[test]
    fn perceptual_loss_layers_match_the_weights() {
        let config = Config::preset(Preset::Paper);
        let mut found: Vec<[usize; 2]> = Vec::new();
        for name in WEIGHTS_FILES {
            let path = format!("{}/../weights/{name}", env!("CARGO_MANIFEST_DIR"));
            let bytes = std::fs::read(path).expect("a file of weights");
            let file = SafeTensors::deserialize(&bytes).expect("safetensors");
            found.extend(
                file.tensors()
                    .iter()
                    .filter_map(|(_, view)| match view.shape() {
                        [outputs, inputs, 3, 3] => Some([*inputs, *outputs]),
                        _ => None,
                    }),
            );
        }
        found.sort_unstable();
        assert_eq!(found, shapes(&perceptual_loss_layers(&config)));
    }

    #[test]
    fn step_operations_match_a_count_by_hand() {
        let config = Config {
            loss: LossKind::Pixel,
            ..Config::preset(Preset::Small)
        };
        // decoder.last: 2 operations, 9 taps, 32 to 3 channels, 64 px, three passes.
        let last = model_layers(&config).pop().expect("a last layer");
        assert_eq!(last.operations(), 2.0 * 9.0 * 32.0 * 3.0 * 4096.0);
        let total = step_operations(&config);
        assert!((2.3e9..2.5e9).contains(&total), "{total}");
    }
}
