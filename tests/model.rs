//! The model and its training, at the ends of the settings' ranges.

use autolink::config::{Config, LossKind, Preset};
use autolink::data::synthetic::puppets;
use autolink::model::{AutoLink, ParameterCounts};
use autolink::train::Trainer;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().expect("floats")
}

/// Counts the numbers that have a gradient, which running statistics have not.
fn learned(module: &impl Module) -> usize {
    struct Learned(usize);
    impl ModuleVisitor for Learned {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                self.0 += param.shape().num_elements();
            }
        }
    }
    let mut count = Learned(0);
    module.visit(&mut count);
    count.0
}

#[test]
fn parameter_counts_are_those_of_the_model() {
    for (keypoints, width, decoder_share) in [(2, 4, 1.0), (12, 16, 0.5), (7, 5, 2.0)] {
        let config = Config {
            keypoints,
            width,
            decoder_share,
            ..Config::preset(Preset::Tiny)
        };
        let model = AutoLink::init(&config, &Device::flex().autodiff());
        let counts = ParameterCounts::new(&config);
        assert_eq!(counts.detector, learned(&model.detector), "{config:?}");
        assert_eq!(counts.decoder, learned(&model.decoder), "{config:?}");
        // One of each pair of the symmetric weights is read.
        assert_eq!(counts.edges, keypoints * (keypoints - 1) / 2);
        assert_eq!(learned(&model.edges), keypoints * keypoints);
    }
}

/// Two steps with settings from all over the ranges have finite losses that differ.
#[test]
fn trainer_steps_at_every_size() {
    let device = Device::flex();
    for (keypoints, size, width, batch, micro_batch) in [
        (2, 32, 4, 2, 1),
        (64, 48, 5, 2, 2),
        (7, 80, 4, 1, 1),
        (12, 112, 9, 2, 1),
        (3, 256, 4, 1, 1),
    ] {
        let config = Config {
            keypoints,
            size,
            width,
            batch,
            micro_batch,
            loss: LossKind::Pixel,
            ..Config::preset(Preset::Tiny)
        };
        let images = puppets(2, 0, size).dataset;
        let mut trainer = Trainer::new(&config, 2, &device, None).expect("a valid config");
        let first = values(trainer.step(&images).loss)[0];
        let second = values(trainer.step(&images).loss)[0];
        assert!(
            first.is_finite() && second.is_finite() && first != second,
            "{config:?}"
        );
    }
}

#[test]
fn forward_returns_the_documented_shapes_ranges_and_sums() {
    let device = Device::flex();
    let config = Config {
        keypoints: 5,
        size: 48,
        width: 4,
        ..Config::preset(Preset::Tiny)
    };
    let model = AutoLink::init(&config, &device);
    let images = Tensor::zeros([2, 3, 48, 48], &device);
    let mask = Tensor::zeros([2, 1, 16, 16], &device);
    let output = model.forward(images, mask, config.edge_map_params());
    assert_eq!(output.detection.keypoints.dims(), [2, 5, 2]);
    assert_eq!(output.detection.heatmaps.dims(), [2, 5, 12, 12]);
    assert_eq!(output.edge_map.dims(), [2, 1, 48, 48]);
    assert_eq!(output.reconstruction.dims(), [2, 3, 48, 48]);
    for sum in values(output.detection.heatmaps.clone().sum_dim(3).sum_dim(2)) {
        assert!((sum - 1.0).abs() < 1e-5, "a heatmap sums to {sum}");
    }
    for confidence in values(output.detection.confidence()) {
        assert!((0.0..=1.0001).contains(&confidence));
    }
    let weights = values(output.edge_weights);
    let start = config.edge_start as f32;
    for i in 0..5 {
        assert_eq!(
            weights[i * 5 + i],
            0.0,
            "a keypoint is not linked to itself"
        );
        for j in 0..5 {
            assert_eq!(
                weights[i * 5 + j],
                weights[j * 5 + i],
                "edges have no direction"
            );
            // The noise of 0.1 is added before the softplus.
            assert!(
                i == j || (weights[i * 5 + j] / start - 1.0).abs() < 0.5,
                "edges start at about the initial edge weight"
            );
        }
    }
}

#[test]
fn configure_keeps_edge_weights_when_their_scale_changes() {
    let device = Device::flex();
    let config = Config {
        keypoints: 4,
        size: 32,
        width: 4,
        batch: 2,
        micro_batch: 2,
        loss: LossKind::Pixel,
        ..Config::preset(Preset::Tiny)
    };
    let images = puppets(4, 0, 32).dataset;
    let mut trainer = Trainer::new(&config, 4, &device, None).expect("a valid config");
    trainer.step(&images);
    let before = values(trainer.model().edges.weights(config.edge_scale));
    let next = Config {
        edge_scale: 200.0,
        ..config
    };
    trainer.configure(&next).expect("a live setting");
    let after = values(trainer.model().edges.weights(next.edge_scale));
    for (before, after) in before.iter().zip(after) {
        assert!((before - after).abs() < 1e-5 * before.abs().max(1e-3));
    }
    assert!(trainer.step(&images).loss.into_scalar::<f32>().is_finite());
}

/// Without the start, untrained keypoints are one heap in the middle.
#[test]
fn start_spreads_keypoints_and_fades() {
    let device = Device::flex();
    let config = Config {
        keypoints: 6,
        size: 32,
        width: 4,
        batch: 4,
        micro_batch: 2,
        loss: LossKind::Pixel,
        start_steps: 3,
        ..Config::preset(Preset::Tiny)
    };
    let without = Config {
        start_steps: 0,
        ..config.clone()
    };
    let images = || Tensor::zeros([1, 3, 32, 32], &device);
    // The smallest distance between two keypoints.
    let apart = |model: &AutoLink| {
        let points = values(model.detector.forward(images()).keypoints);
        let pairs = (0..6).flat_map(|i| (0..i).map(move |j| (i, j)));
        pairs
            .map(|(i, j)| {
                (points[2 * i] - points[2 * j]).hypot(points[2 * i + 1] - points[2 * j + 1])
            })
            .fold(f32::INFINITY, f32::min)
    };
    assert!(apart(&AutoLink::init(&without, &device)) < 0.1);
    assert!(apart(&AutoLink::init(&config, &device)) > 0.3);

    let mut trainer = Trainer::new(&config, 4, &device, None).expect("a valid config");
    let dataset = puppets(4, 0, 32).dataset;
    let spread = [0; 4].map(|_| {
        let now = trainer.model().detector.spread;
        trainer.step(&dataset);
        now
    });
    assert_eq!(spread, [0, 1, 2, 3].map(|step| config.spread(step)));
    assert!(spread[0] > spread[2] && spread[2] > 0.0 && spread[3] == 0.0);
}
