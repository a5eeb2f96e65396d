//! An open stage shows the numbers of the plain formulas.

use autolink::data::synthetic;
use autolink::loss::WEIGHTS_FILES;
use autolink::render::{EdgeRole, median_and_contrast, skeleton};
use autolink::session::{
    Backend, EdgeEdit, EdgeState, Edits, MaskEdit, Session, StageDetail, StageQuery, Stages,
};
use autolink::{Config, Error, LossKind, Preset};
use burn::tensor::{Device, Tensor, TensorData};
use pollster::block_on;

const SIZE: usize = 32;
const KEYPOINTS: usize = 5;

/// Trains a model for a few steps: an untrained decoder returns zero for every input.
fn session() -> Session {
    let config = Config {
        keypoints: KEYPOINTS,
        size: SIZE,
        width: 4,
        batch: 4,
        micro_batch: 4,
        loss: LossKind::Pixel,
        learning_rate: 4e-3,
        ..Config::preset(Preset::Tiny)
    };
    let images = synthetic::puppets(20, 1, SIZE).dataset;
    let mut session = Session::new(Device::flex(), Backend::Cpu, config.clone()).expect("opens");
    session.begin(config, images).expect("begins");
    for _ in 0..40 {
        block_on(session.step()).expect("steps");
    }
    session
}

fn explain(session: &Session, edits: &Edits, stage: StageQuery) -> StageDetail {
    block_on(session.explain(edits, stage)).expect("explains")
}

fn inspect(session: &Session, edits: &Edits) -> Stages {
    block_on(session.inspect(edits)).expect("inspects")
}

fn close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance, "{a} instead of {b}");
}

/// Third image, one keypoint dragged, one edge off.
fn edits(session: &Session) -> Edits {
    let preview = Edits {
        preview: 2,
        ..Edits::default()
    };
    let mut keypoints = inspect(session, &preview).keypoints;
    keypoints[1] = [0.25, 0.75];
    Edits {
        keypoints: Some(keypoints),
        mask: MaskEdit::Fresh { seed: 3 },
        edges: vec![EdgeEdit {
            from: 0,
            to: 1,
            state: EdgeState::Off,
        }],
        ..preview
    }
}

#[test]
fn heatmap_is_the_softmax_of_its_scores_and_the_keypoint_its_mean() {
    let session = session();
    let edits = Edits {
        preview: 1,
        ..Edits::default()
    };
    let keypoints = inspect(&session, &edits).keypoints;
    for (k, keypoint) in keypoints.into_iter().enumerate() {
        let query = StageQuery::Heatmap { keypoint: k };
        let StageDetail::Heatmap {
            keypoint: found,
            size,
            scores,
            heatmap,
            mean,
        } = explain(&session, &edits, query)
        else {
            panic!("another stage")
        };
        assert_eq!((found, size), (k, SIZE / 4));
        assert_eq!([scores.len(), heatmap.len()], [size * size; 2]);
        let exponentials: Vec<f64> = scores.iter().map(|&s| f64::from(s).exp()).collect();
        let sum: f64 = exponentials.iter().sum();
        let mut position = [0.0; 2];
        for (at, exponential) in exponentials.iter().enumerate() {
            close(heatmap[at].into(), exponential / sum, 1e-6);
            // Corner pixels of the heatmap lie on the centres of the view's corner pixels.
            let place =
                |p: usize| (p as f64 / (size - 1) as f64 * (SIZE - 1) as f64 + 0.5) / SIZE as f64;
            position[0] += exponential / sum * place(at % size);
            position[1] += exponential / sum * place(at / size);
        }
        for axis in 0..2 {
            close(mean[axis].into(), position[axis], 1e-5);
            close(keypoint[axis].into(), position[axis], 1e-5);
        }
    }
    let last = StageQuery::Heatmap { keypoint: 99 };
    let detail = explain(&session, &edits, last);
    assert!(matches!(detail, StageDetail::Heatmap { keypoint, .. } if keypoint == KEYPOINTS - 1));
}

#[test]
fn edge_weights_are_softplus_and_roles_are_the_skeleton() {
    let session = session();
    let learned = inspect(&session, &Edits::default()).edge_weights;
    // Edits do not change what was learned.
    let detail = explain(&session, &edits(&session), StageQuery::EdgeWeights);
    let StageDetail::EdgeWeights(rule) = detail else {
        panic!("another stage")
    };
    assert_eq!(rule.edges.len(), KEYPOINTS * (KEYPOINTS - 1) / 2);
    assert_eq!((rule.median, rule.contrast), median_and_contrast(&learned));
    for edge in &rule.edges {
        assert_eq!(edge.weight, learned[edge.from][edge.to]);
        let softplus = (rule.multiplier * f64::from(edge.raw)).exp().ln_1p();
        close(edge.weight.into(), softplus, 1e-5);
        let strength = ((edge.weight - rule.median) / rule.contrast).max(0.0);
        assert_eq!(edge.strength, strength);
    }
    assert!(rule.edges.is_sorted_by(|a, b| a.weight >= b.weight));
    let mut drawn: Vec<[usize; 2]> = (rule.edges.iter())
        .filter(|edge| matches!(edge.role, EdgeRole::Tree | EdgeRole::Closing))
        .map(|edge| [edge.from, edge.to])
        .collect();
    drawn.sort_unstable();
    assert_eq!(drawn, skeleton(&learned));
}

#[test]
fn layers_have_the_networks_resolutions() {
    let session = session();
    let layers = |stage| match explain(&session, &edits(&session), stage) {
        StageDetail::Layers { layers } => layers,
        other => panic!("another stage: {other:?}"),
    };
    let [detector, decoder] = [StageQuery::Detector, StageQuery::Decoder].map(layers);
    let sizes = |layers: &[autolink::session::explain::LayerMaps]| -> Vec<usize> {
        layers.iter().map(|layer| layer.size).collect()
    };
    assert_eq!(sizes(&detector), [16, 8, 4, 2, 4, 8]);
    assert_eq!(sizes(&decoder), [32, 16, 8, 4, 2, 4, 8, 16, 32]);
    for layer in detector.iter().chain(&decoder) {
        let shown = layer.channels.min(8);
        assert_eq!([layer.shown.len(), layer.ranges.len()], [shown; 2]);
        assert_eq!(layer.pixels.len(), shown * layer.size * layer.size * 4);
        assert!(layer.shown.is_sorted_by(|a, b| a < b));
        assert!(layer.ranges.iter().all(|[low, high]| low <= high));
    }
}

#[test]
fn another_edge_map_changes_the_reconstruction() {
    let session = session();
    let edits = edits(&session);
    let stages = inspect(&session, &edits);
    let area = SIZE * SIZE * 4;
    let other = |preview| match explain(
        &session,
        &edits,
        StageQuery::OtherEdgeMap { other: preview },
    ) {
        StageDetail::OtherEdgeMap {
            other,
            size,
            pixels,
            error,
        } => {
            assert_eq!((other, size, pixels.len()), (preview, SIZE, 2 * area));
            (pixels, error)
        }
        other => panic!("another stage: {other:?}"),
    };
    let (pixels, error) = other(5);
    assert_ne!(pixels[area..], stages.pixels[3 * area..4 * area]);
    assert!(error.is_finite() && error > 0.0);
    // The same image without edits of its keypoints and edges gives the same reconstruction.
    let plain = Edits {
        keypoints: None,
        edges: Vec::new(),
        ..edits.clone()
    };
    let own = inspect(&session, &plain);
    let (pixels, error) = other(plain.preview);
    assert_eq!(pixels[area..], own.pixels[3 * area..4 * area]);
    assert_eq!(error, own.error);
}

#[test]
fn loss_maps_add_up_to_the_loss() {
    let session = session();
    let edits = Edits::default();
    let stages = inspect(&session, &edits);
    let StageDetail::Loss { loss, value, maps } = explain(&session, &edits, StageQuery::Loss)
    else {
        panic!("another stage")
    };
    assert_eq!((loss, maps.len()), (LossKind::Pixel, 1));
    assert_eq!((maps[0].size, maps[0].channels), (SIZE, 3));
    // From the images as they are shown, whose levels are 1/127.5 apart.
    let area = SIZE * SIZE * 4;
    let squares = std::iter::zip(&stages.pixels[..area], &stages.pixels[3 * area..4 * area])
        .enumerate()
        .filter(|(at, _)| at % 4 < 3)
        .map(|(_, (a, b))| ((f64::from(*a) - f64::from(*b)) / 127.5).powi(2));
    let mean = squares.sum::<f64>() / (SIZE * SIZE * 3) as f64;
    close(value.into(), mean, 0.02 * mean + 1e-3);
    close(maps[0].mean.into(), value.into(), 1e-7);
}

#[test]
fn perceptual_loss_maps_are_the_blocks_losses() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/weights/");
    let bytes = std::fs::read(format!("{folder}{}", WEIGHTS_FILES[0])).expect("weights");
    let mut session = session();
    let config = Config {
        loss: LossKind::Perceptual,
        perceptual_blocks: 3,
        perceptual_size: SIZE,
        ..session.config().clone()
    };
    session.configure(config).expect("configures");
    assert_eq!(
        session.weights_to_explain(StageQuery::Loss),
        &WEIGHTS_FILES[..1]
    );
    assert!(session.weights_to_explain(StageQuery::Decoder).is_empty());
    let missing = block_on(session.explain(&Edits::default(), StageQuery::Loss));
    assert!(matches!(missing, Err(Error::Weights(_))));
    session.add_weights(bytes.clone());
    let StageDetail::Loss { value, maps, .. } =
        explain(&session, &Edits::default(), StageQuery::Loss)
    else {
        panic!("another stage")
    };
    let shapes: Vec<_> = maps.iter().map(|map| (map.channels, map.size)).collect();
    assert_eq!(shapes, [(64, SIZE), (128, SIZE / 2), (256, SIZE / 4)]);
    // An untrained decoder returns zero, a grey image.
    let device = Device::flex();
    let vgg = autolink::loss::Perceptual::from_bytes(&[&bytes], 3, SIZE, &device).expect("VGG16");
    let index = session.preview_indices()[0];
    let rgb = session.images().pixels(index);
    let planes: Vec<f32> = (0..3)
        .flat_map(|c| rgb.iter().skip(c).step_by(3))
        .map(|&byte| f32::from(byte) / 127.5 - 1.0)
        .collect();
    let image = Tensor::from_data(TensorData::new(planes, [1, 3, SIZE, SIZE]), &device);
    let wanted: Vec<f32> = vgg
        .block_losses(Tensor::<4>::zeros_like(&image), image)
        .into_iter()
        .map(|loss| loss.into_scalar::<f32>())
        .collect();
    for (map, wanted) in maps.iter().zip(&wanted) {
        close(map.mean.into(), (*wanted).into(), 1e-4 * f64::from(*wanted));
    }
    close(
        value.into(),
        wanted.iter().map(|&w| f64::from(w)).sum(),
        1e-3,
    );
}
