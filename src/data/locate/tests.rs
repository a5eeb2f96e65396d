//! Puppets with a head and a thin tail on a textured floor, drawn from above, and the labelled frames of a mouse.

use std::f64::consts::{FRAC_PI_2, TAU};

use image::{Rgb, RgbImage};

use super::*;

const SIZE: [u32; 2] = [240, 180];
const LENGTH: f64 = 40.0;

/// A puppet at a place, with its head in a direction.
#[derive(Clone, Copy)]
struct Animal {
    x: f64,
    y: f64,
    heading: f64,
}

/// Draws a textured floor that is shifted by `shift`, in a light of `gain(x, y)`, and animals, with a soft shadow to their lower right.
fn drawn(
    animals: &[Animal],
    shift: [i32; 2],
    shadow: f64,
    gain: impl Fn(f64, f64) -> f64,
) -> RgbImage {
    RgbImage::from_fn(SIZE[0], SIZE[1], |px, py| {
        let [x, y] = [f64::from(px) + 0.5, f64::from(py) + 0.5];
        let [u, v] = [(px as i32 + shift[0]) as u32, (py as i32 + shift[1]) as u32];
        let cell = (u / 6).wrapping_mul(73_856_093) ^ (v / 6).wrapping_mul(19_349_663);
        let texture = f64::from(cell.wrapping_mul(2_654_435_761) >> 24) / 255.0 * 70.0;
        let noise = f64::from((u * 7_919 + v * 104_729).wrapping_mul(2_654_435_761) >> 29) - 3.5;
        let mut colour = [120.0 + texture, 130.0 + texture, 110.0 + texture].map(|v| v + noise);
        for animal in animals {
            if part(animal, x - 5.0, y - 5.0) == Some(true) {
                colour = colour.map(|v| v * (1.0 - shadow));
            }
        }
        for animal in animals {
            match part(animal, x, y) {
                Some(true) => colour = [35.0, 30.0, 28.0],
                Some(false) => colour = [75.0, 60.0, 60.0],
                None => {}
            }
        }
        Rgb(colour.map(|v| (v * gain(x, y)).clamp(0.0, 255.0) as u8))
    })
}

/// Returns true on the body of an animal, false on its tail.
fn part(animal: &Animal, x: f64, y: f64) -> Option<bool> {
    let (sin, cos) = animal.heading.sin_cos();
    let (x, y) = (x - animal.x, y - animal.y);
    let (along, across) = (x * cos + y * sin, y * cos - x * sin);
    let body = (along / (LENGTH / 2.0)).powi(2) + (across / (LENGTH / 5.0)).powi(2) < 1.0;
    let tail = (-1.1 * LENGTH..-0.4 * LENGTH).contains(&along) && across.abs() < 1.2;
    body.then_some(true).or(tail.then_some(false))
}

fn plain(animals: &[Animal]) -> RgbImage {
    drawn(animals, [0, 0], 0.25, |_, _| 1.0)
}

/// Walks around an ellipse, head in front, and once around in `frames` frames.
fn walk(i: usize, frames: usize) -> Animal {
    let t = TAU * i as f64 / frames as f64;
    Animal {
        x: 120.0 + 70.0 * t.cos(),
        y: 90.0 + 45.0 * t.sin(),
        heading: (45.0 * t.cos()).atan2(-70.0 * t.sin()),
    }
}

fn scene(frames: &[RgbImage]) -> crate::error::Result<Scene> {
    let mut sampler = Sampler::new();
    for frame in frames {
        sampler.push(frame)?;
    }
    sampler.scene()
}

fn located(frames: &[RgbImage], order: Order) -> (Vec<Sighting>, Track) {
    let scene = scene(frames).expect("a still camera");
    let look = |frame| scene.look(frame).expect("one size");
    let sightings: Vec<Sighting> = frames.iter().map(look).collect();
    let track = Track::new(&scene, &sightings, TrackOptions::new(order, 1.6)).expect("one animal");
    (sightings, track)
}

/// Checks that a place lies on the animal and holds its body, with the head in the upper half if crops are turned.
fn check(place: &Place, animal: &Animal, is_turned: bool, i: usize) {
    assert_eq!(place.seen, Seen::One, "frame {i}");
    let off = (place.crop.centre_px[0] - animal.x).hypot(place.crop.centre_px[1] - animal.y);
    assert!(off < 0.15 * LENGTH, "frame {i}: {off} px off");
    for end in [-0.5, 0.5] {
        let (sin, cos) = animal.heading.sin_cos();
        let point = [animal.x + end * LENGTH * cos, animal.y + end * LENGTH * sin];
        let [x, y] = place.crop.to_crop(point);
        assert!(
            (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y),
            "frame {i}: {x} {y}"
        );
        if is_turned {
            assert_eq!(y < 0.5, end > 0.0, "frame {i}: the head is down");
            assert!((x - 0.5).abs() < 0.1, "frame {i}: not upright, {x}");
        }
    }
}

fn check_all(frames: &[RgbImage], animals: &[Animal], order: Order) -> Track {
    let (_, track) = located(frames, order);
    for (i, (place, animal)) in track.places.iter().zip(animals).enumerate() {
        check(place, animal, track.is_turned, i);
    }
    track
}

#[test]
fn crops_turn_with_the_body_through_the_whole_circle() {
    let animals: Vec<Animal> = (0..80).map(|i| walk(i, 80)).collect();
    let frames: Vec<RgbImage> = animals.iter().map(|a| plain(&[*a])).collect();
    for order in [Order::Video, Order::Separate] {
        let track = check_all(&frames, &animals, order);
        assert!(track.is_turned);
        assert_eq!(track.uncertain_share(), 0.0);
        assert_eq!(track.usable().len(), 80);
        assert!(
            (1.3..2.2).contains(&(track.side_px / LENGTH)),
            "{}",
            track.side_px
        );
    }
}

#[test]
fn upright_objects_are_not_turned() {
    let upright = |i: usize| Animal {
        x: 60.0 + i as f64,
        y: 90.0,
        heading: -FRAC_PI_2 + 0.2 * (i as f64 / 4.0).sin(),
    };
    let animals: Vec<Animal> = (0..80).map(upright).collect();
    let frames: Vec<RgbImage> = animals.iter().map(|a| plain(&[*a])).collect();
    let track = check_all(&frames, &animals, Order::Video);
    assert!(!track.is_turned);
    assert!(track.places.iter().all(|place| place.crop.angle == 0.0));
}

#[test]
fn changing_light_and_deep_shadows_do_not_move_the_crop() {
    let animals: Vec<Animal> = (0..80).map(|i| walk(i, 80)).collect();
    let dusk = |i: usize, x: f64| {
        (1.1 - 0.005 * i as f64) * (1.0 + 0.002 * (i as f64 / 80.0) * (x - 120.0))
    };
    let light: Vec<RgbImage> = (0..80)
        .map(|i| drawn(&[animals[i]], [0, 0], 0.25, |x, _| dusk(i, x)))
        .collect();
    check_all(&light, &animals, Order::Video);
    let shadows: Vec<RgbImage> = animals
        .iter()
        .map(|a| drawn(&[*a], [0, 0], 0.45, |_, _| 1.0))
        .collect();
    check_all(&shadows, &animals, Order::Video);
}

#[test]
fn frames_without_the_animal_or_with_two_are_left_out() {
    let animals: Vec<Animal> = (0..80).map(|i| walk(i, 80)).collect();
    let mut frames: Vec<RgbImage> = animals.iter().map(|a| plain(&[*a])).collect();
    frames[0] = plain(&[]);
    for (i, frame) in frames.iter_mut().enumerate().skip(40).take(8) {
        *frame = plain(&[animals[i], walk(i + 40, 80)]);
    }
    let (_, track) = located(&frames, Order::Video);
    assert_eq!(track.places[0].seen, Seen::Nothing);
    assert_eq!(
        track.places[0].crop.centre_px,
        track.places[1].crop.centre_px
    );
    assert!(!track.places[0].is_head_certain);
    for i in 40..48 {
        assert_eq!(track.places[i].seen, Seen::Several, "frame {i}");
        assert!(track.places[i].confidence < 0.7);
    }
    let used: Vec<usize> = (1..40).chain(48..80).collect();
    assert_eq!(track.usable(), used);
    for i in used {
        check(&track.places[i], &animals[i], true, i);
    }
}

#[test]
fn animal_at_the_border_is_cropped_beyond_it() {
    let along = |i: usize| Animal {
        x: 20.0 + 2.5 * i as f64,
        y: 10.0,
        heading: 0.0,
    };
    let animals: Vec<Animal> = (0..80).map(along).collect();
    let frames: Vec<RgbImage> = animals.iter().map(|a| plain(&[*a])).collect();
    let track = check_all(&frames, &animals, Order::Video);
    let crop = track.places[40].crop;
    assert!(
        crop.to_frame([0.5, 0.0])[1] < 0.0,
        "the crop reaches above the frame"
    );
    let cut = crop.cut(&frames[40], 32);
    assert_eq!(cut.len(), 32 * 32 * 3);
    let rows: Vec<&[u8]> = cut.chunks_exact(32 * 3).collect();
    assert_eq!(rows[0], rows[1], "the border continues");
    assert!(cut[(16 * 32 + 16) * 3] < 60, "the body is in the centre");
}

#[test]
fn scene_rejects_moving_cameras_still_scenes_and_mixed_sizes() {
    let message = |frames: &[RgbImage]| scene(frames).expect_err("not a scene").to_string();
    let moving: Vec<RgbImage> = (0..60)
        .map(|i| {
            drawn(&[walk(i, 60)], [5 * i as i32, 3 * i as i32], 0.2, |_, _| {
                1.0
            })
        })
        .collect();
    assert!(
        message(&moving).starts_with("The camera moves"),
        "{}",
        message(&moving)
    );
    let still = vec![plain(&[walk(0, 60)]); 20];
    assert!(message(&still).starts_with("Nothing moves"));
    assert!(message(&still[..2]).starts_with("There are too few frames"));
    let mixed = [still[0].clone(), RgbImage::new(10, 10)];
    assert!(message(&mixed).starts_with("A frame is 10 x 10 px"));
}

#[test]
fn sampler_keeps_frames_spread_over_any_length() {
    let mut sampler = Sampler::new();
    for i in 0..600 {
        sampler.push(&plain(&[walk(i, 150)])).expect("one size");
    }
    let scene = sampler.scene().expect("a still camera");
    for i in [0, 77, 149] {
        let sighting = scene.look(&plain(&[walk(i, 150)])).expect("one size");
        let animal = walk(i, 150);
        let off = (sighting.centre_px[0] - animal.x).hypot(sighting.centre_px[1] - animal.y);
        assert!(off < 4.0, "frame {i}: {off}");
    }
}

#[test]
fn crop_maps_back_and_cuts_what_it_maps() {
    let crop = Crop {
        centre_px: [31.0, 17.5],
        side_px: 24.0,
        angle: 0.7,
    };
    for point in [[0.0, 0.0], [0.25, 0.9], [1.0, 0.5]] {
        let back = crop.to_crop(crop.to_frame(point));
        assert!((0..2).all(|axis| (back[axis] - point[axis]).abs() < 1e-12));
        let turned = crop.reversed().to_crop(crop.to_frame(point));
        assert!((0..2).all(|axis| (turned[axis] - 1.0 + point[axis]).abs() < 1e-12));
    }
    // Turned by a quarter clockwise, the crop's upper border is the frame's right.
    let quarter = Crop {
        angle: FRAC_PI_2,
        ..crop
    };
    let [x, y] = quarter.to_frame([0.5, 0.0]);
    assert!((x - 43.0).abs() < 1e-9 && (y - 17.5).abs() < 1e-9);
    // A ramp keeps its values: red is x, green is y.
    let ramp = RgbImage::from_fn(64, 40, |x, y| Rgb([4 * x as u8, 4 * y as u8, 9]));
    for size in [8, 24, 48] {
        let cut = crop.cut(&ramp, size);
        for (i, pixel) in cut.chunks_exact(3).enumerate() {
            let centre = |v: usize| (v as f64 + 0.5) / size as f64;
            let [x, y] = crop.to_frame([centre(i % size), centre(i / size)]);
            for (value, at) in [(pixel[0], x), (pixel[1], y)] {
                assert!(
                    (f64::from(value) - 4.0 * (at - 0.5)).abs() < 0.6,
                    "{size} {i}"
                );
            }
            assert_eq!(pixel[2], 9);
        }
    }
}

#[test]
fn choose_frames_prefers_what_differs() {
    // 90 frames alike, and ten rare ones.
    let thumbnails: Vec<Vec<u8>> = (0..100)
        .map(|i| match i % 10 {
            9 => vec![200 - i as u8, (i * 37 % 251) as u8, 250],
            _ => vec![10, 10, 10],
        })
        .collect();
    let chosen = choose_frames(&thumbnails, 20, 1);
    assert_eq!(chosen, choose_frames(&thumbnails, 20, 1));
    assert!(chosen.is_sorted() && chosen.len() <= 20);
    let rare = chosen.iter().filter(|i| *i % 10 == 9).count();
    assert!(rare >= 8, "{chosen:?}");
    // Where all look the same, time alone spreads them.
    let same = choose_frames(&vec![vec![7; 12]; 100], 5, 3);
    assert_eq!(same.len(), 5);
    assert!(
        same.windows(2).all(|pair| pair[1] - pair[0] >= 8),
        "{same:?}"
    );
    assert_eq!(choose_frames(&thumbnails[..3], 9, 0), [0, 1, 2]);
    assert!(choose_frames(&[], 5, 0).is_empty());
    assert_eq!(shares(&[3, 0, 50], 10), [3, 0, 7]);
    assert!(shares(&[], 4).is_empty());
}

#[test]
fn mend_flips_finds_the_flipped_frames() {
    let pose = |i: usize| vec![[i as f64, 0.0], [i as f64, 40.0]];
    let flipped = |i: usize| pose(i).into_iter().rev().collect::<Vec<_>>();
    let is_flipped = |i: usize| (20..30).contains(&i) || i == 50;
    let readings: Vec<[Vec<[f64; 2]>; 2]> = (0..60)
        .map(|i| match is_flipped(i) {
            true => [flipped(i), pose(i)],
            false => [pose(i), flipped(i)],
        })
        .collect();
    let path = mend_flips(&readings, &[[0.0, 0.1]; 60]);
    for (i, &reading) in path.iter().enumerate() {
        assert_eq!(reading == 1, is_flipped(i), "frame {i}");
    }
    let seen: Vec<Vec<[f64; 2]>> = readings.iter().map(|reading| reading[0].clone()).collect();
    assert_eq!(jumps(&seen), [20, 30, 50, 51]);
    let mended: Vec<Vec<[f64; 2]>> = readings
        .iter()
        .zip(&path)
        .map(|(r, &i)| r[i].clone())
        .collect();
    assert!(jumps(&mended).is_empty());
    assert!(mend_flips(&[], &[]).is_empty() && jumps(&[]).is_empty());
}

#[test]
fn parts_follow_the_edge_weights() {
    let group = [0, 1, 0, 2, 2, 1, 0, 2];
    let weight = |i: usize, j: usize| match (i == j, group[i] == group[j]) {
        (true, _) => 0.0,
        (_, true) => 0.8,
        _ => 0.02 + 0.01 * ((i * j) % 3) as f32,
    };
    let weights: Vec<Vec<f32>> = (0..8)
        .map(|i| (0..8).map(|j| weight(i, j)).collect())
        .collect();
    assert_eq!(parts(&weights, 3), group);
    assert_eq!(parts(&weights, 1), [0; 8]);
    assert_eq!(parts(&vec![vec![0.0; 4]; 4], 2).len(), 4);
    assert!(parts(&[], 3).is_empty());
}

#[test]
fn otsu_opening_and_components_do_what_they_say() {
    let mut histogram = [0; 256];
    histogram[20] = 900;
    histogram[30] = 400;
    histogram[150] = 30;
    histogram[170] = 60;
    assert!((30..150).contains(&mask::otsu(&histogram)));
    assert_eq!(mask::otsu(&[0; 256]), 0);
    // A square of 4x4 with a line of one pixel to its right, which vanishes.
    let drawn: Vec<bool> = (0..120)
        .map(|i| {
            (2..6).contains(&(i / 12)) && (2..6).contains(&(i % 12)) || i / 12 == 3 && i % 12 > 5
        })
        .collect();
    let opened = mask::opened(&drawn, 12, 1);
    assert_eq!(opened.iter().filter(|&&v| v).count(), 16);
    let found = mask::components(&drawn, 12);
    assert_eq!((found.len(), found[0].len()), (1, 22));
    assert!(mask::components(&[], 0).is_empty() && mask::opened(&[], 0, 1).is_empty());
}

/// Landmarks of one frame, `[x, y]` px: snout, left ear, right ear, base of the tail.
type Mouse = [[f64; 2]; 4];

#[test]
fn labelled_mouse_lies_in_its_crops_with_the_head_up() {
    let Some(folder) = crate::needs::shared("data/openfield") else {
        return;
    };
    let table = std::fs::read_to_string(folder.join("landmarks.csv")).expect("a table");
    let (mut frames, mut mice): (Vec<RgbImage>, Vec<Mouse>) = (Vec::new(), Vec::new());
    for line in table.lines().skip(1) {
        let (file, values) = line.split_once(',').expect("a file name");
        let bytes = std::fs::read(folder.join(file)).expect("a frame");
        let frame = image::load_from_memory(&bytes).expect("a JPEG").into_rgb8();
        let values: Vec<f64> = values
            .split(',')
            .map(|v| v.parse().expect("a number"))
            .collect();
        let size = [f64::from(frame.width()), f64::from(frame.height())];
        mice.push([0, 1, 2, 3].map(|i| [0, 1].map(|axis| values[2 * i + axis] * size[axis])));
        frames.push(frame);
    }
    assert_eq!(frames.len(), 116);
    let (sightings, track) = located(&frames, Order::Separate);
    let (mut missed, mut flipped) = (Vec::new(), Vec::new());
    for (i, (place, mouse)) in track.places.iter().zip(&mice).enumerate() {
        let inside = mouse.map(|point| place.crop.to_crop(point));
        let is_inside = inside.iter().flatten().all(|v| (0.0..=1.0).contains(v));
        if !is_inside || place.seen != Seen::One {
            missed.push((i, place.seen, inside));
        }
        if inside[0][1] > inside[3][1] {
            flipped.push((i, sightings[i].skew, sightings[i].taper));
        }
    }
    assert!(track.is_turned);
    assert!(missed.is_empty(), "{missed:?}");
    assert!(flipped.len() <= 1, "{flipped:?}");
    assert!(track.side_px < 240.0);
}

#[test]
fn search_finds_what_the_two_passes_find() {
    let animals: Vec<Animal> = (0..90).map(|i| walk(i, 90)).collect();
    let frames: Vec<RgbImage> = animals.iter().map(|&animal| plain(&[animal])).collect();
    let mut search = Search::new();
    let samples = Search::samples(frames.len());
    assert_eq!((samples.len(), samples[0], samples[63]), (64, 0, 88));
    for &i in &samples {
        search.sample(&frames[i]).expect("one size");
    }
    // Before the second pass, the track is that of the sampled frames.
    let survey = search
        .track(TrackOptions::new(Order::Video, 1.6))
        .expect("one animal");
    assert_eq!(survey.places.len(), 64);
    assert!(survey.is_turned && survey.is_advised(SIZE) && !survey.is_advised([60, 60]));
    for frame in &frames {
        search.look(frame).expect("one size");
    }
    let sampled: Vec<RgbImage> = samples.iter().map(|&i| frames[i].clone()).collect();
    let scene = scene(&sampled).expect("a still camera");
    let sightings: Vec<Sighting> = frames
        .iter()
        .map(|f| scene.look(f).expect("one size"))
        .collect();
    let options = TrackOptions::new(Order::Video, 1.6);
    assert_eq!(
        search.track(options).expect("one animal"),
        Track::new(&scene, &sightings, options).expect("one animal")
    );
    let wide = TrackOptions {
        margin: 3.2,
        ..options
    };
    // Both passes see the same lengths, up to the percentile of another number of frames.
    let doubled = search.track(wide).expect("one animal").side_px
        / search.track(options).expect("one animal").side_px;
    assert!((1.8..2.2).contains(&doubled), "{doubled}");
    // A frame that cannot be read takes the crop of its neighbour.
    search.skip();
    let places = search.track(options).expect("one animal").places;
    assert_eq!((places.len(), places[90].seen), (91, Seen::Nothing));
    assert_eq!(places[90].crop.side_px, places[89].crop.side_px);
}
