//! Articulated puppets, procedurally drawn, with true joint positions: the page's own pictures, and the tests' truth.
//!
//! A puppet faces the viewer. Its pose, clothes, colours and background are its own; its build is nearly everybody's.

use std::f32::consts::{PI, TAU};

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tiny_skia::{PathBuilder, Rect, Shader, SpreadMode};

mod canvas;

use canvas::{Canvas, Circle, Lch, Vec2, add, lch, mix, mul, sub, turned};

use crate::data::dataset::{Dataset, Picture, Placement};
use crate::error::{Error, Result};

/// The joints, J, in their order; left and right are the picture's.
pub const JOINT_NAMES: [&str; 14] = [
    "head",
    "neck",
    "left_shoulder",
    "left_elbow",
    "left_hand",
    "right_shoulder",
    "right_elbow",
    "right_hand",
    "left_hip",
    "left_knee",
    "left_foot",
    "right_hip",
    "right_knee",
    "right_foot",
];

const HEAD: usize = 0;
const NECK: usize = 1;
/// Shoulder, elbow, hand; left then right.
const ARMS: [[usize; 3]; 2] = [[2, 3, 4], [5, 6, 7]];
/// Hip, knee, foot (the ankle); left then right.
const LEGS: [[usize; 3]; 2] = [[8, 9, 10], [11, 12, 13]];

/// Drawn puppets.
pub struct Puppets {
    /// The pictures, named `puppet-0.png` and so on.
    pub dataset: Dataset,
    /// `[N][J][x, y]` as fractions of the picture, in the order of [`JOINT_NAMES`].
    pub joints: Vec<Vec<[f32; 2]>>,
}

/// The first `count` puppets of a seed, `size_px` wide and high.
pub fn puppets(count: usize, seed: u64, size_px: usize) -> Puppets {
    let mut dataset = Dataset::new(size_px);
    let mut joints = Vec::with_capacity(count);
    for index in 0..count {
        let (picture, places) = puppet(index, seed, size_px);
        dataset.push(picture);
        joints.push(places);
    }
    Puppets { dataset, joints }
}

/// Puppet number `index` of a seed, and its joints `[J][x, y]` as fractions of the picture. It is the same however many
/// others are drawn, and the same at every size.
pub fn puppet(index: usize, seed: u64, size_px: usize) -> (Picture, Vec<[f32; 2]>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(index as u64);
    let look = Look::new(&mut rng);
    let pose = Pose::new(&mut rng, &look);

    // Drawn larger and reduced: finer edges than anti-aliasing alone gives.
    let mut canvas = Canvas::new(2 * size_px.max(1) as u32);
    background(&mut canvas, &look, &mut rng);
    figure(&mut canvas, &look, &pose);

    let picture = Picture {
        name: format!("puppet-{index}.png"),
        pixels: canvas.reduced(size_px as u32),
        placement: Placement::whole([size_px as u32; 2]),
    };
    (picture, pose.joints.to_vec())
}

/// The same puppet as a PNG file.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn puppet_png(index: usize, seed: u64, size_px: usize) -> Result<Vec<u8>> {
    let (picture, _) = puppet(index, seed, size_px);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(
            &picture.pixels,
            size_px as u32,
            size_px as u32,
            ExtendedColorType::Rgb8,
        )
        .map_err(|error| Error::File(format!("The puppet could not be drawn ({error}).")))?;
    Ok(png)
}

// ---------------------------------------------------------------------------------------------------------------------
// Looks

#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    Plain,
    Stripes,
    Halves,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Hair {
    Short,
    Long,
    Bun,
    Hat,
}

/// What a puppet looks like, in colours and clothes.
struct Look {
    skin: Lch,
    hair_colour: Lch,
    shirt: Lch,
    trim: Lch,
    trousers: Lch,
    shoes: Lch,
    wall: Lch,
    pattern: Pattern,
    hair: Hair,
    long_sleeves: bool,
    shorts: bool,
    /// Thickness of limbs, around 1.
    stout: f32,
}

impl Look {
    fn new(rng: &mut ChaCha8Rng) -> Look {
        let turn = |rng: &mut ChaCha8Rng| rng.random_range(0.0..1.0_f32);
        // People's skins mostly, now and then a toy's.
        let skin = if rng.random_range(0..6) == 0 {
            lch(rng.random_range(0.66..0.82), 0.09, turn(rng))
        } else {
            let dark = turn(rng);
            lch(
                0.89 - 0.38 * dark * dark.sqrt(),
                0.045 + 0.035 * (PI * dark).sin(),
                rng.random_range(0.14..0.19),
            )
        };
        let hair_colour = [
            lch(0.25, 0.02, 0.15),
            lch(0.36, 0.06, 0.14),
            lch(0.52, 0.11, 0.13),
            lch(0.80, 0.11, 0.24),
            lch(0.72, 0.01, 0.70),
            lch(0.62, 0.14, turn(rng)),
        ][rng.random_range(0..6_usize)];
        let wall_hue = turn(rng);
        let wall = lch(
            rng.random_range(0.62..0.90),
            rng.random_range(0.015..0.06),
            wall_hue,
        );
        // Clothes keep away from the wall's hue, and the trousers from the shirt's lightness.
        let shirt_hue = wall_hue + rng.random_range(0.15..0.85);
        let shirt = lch(
            rng.random_range(0.50..0.78),
            rng.random_range(0.11..0.17),
            shirt_hue,
        );
        let trim = if rng.random() {
            lch(0.95, 0.02, shirt_hue)
        } else {
            lch(0.42, 0.10, shirt_hue + 0.5)
        };
        let trousers = lch(
            rng.random_range(0.30..0.46),
            rng.random_range(0.02..0.11),
            shirt_hue + rng.random_range(0.25..0.75),
        );
        let shoes = if rng.random() {
            lch(0.93, 0.01, 0.2)
        } else {
            lch(rng.random_range(0.35..0.6), 0.13, turn(rng))
        };
        Look {
            skin,
            hair_colour,
            shirt,
            trim,
            trousers,
            shoes,
            wall,
            pattern: [
                Pattern::Plain,
                Pattern::Plain,
                Pattern::Stripes,
                Pattern::Halves,
            ][rng.random_range(0..4_usize)],
            hair: [Hair::Short, Hair::Long, Hair::Bun, Hair::Hat][rng.random_range(0..4_usize)],
            long_sleeves: rng.random(),
            shorts: rng.random_range(0..3) == 0,
            stout: rng.random_range(0.9..1.15),
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// Poses

/// `length` away in the direction that makes `angle` with straight down, outward on that side (-1 left, 1 right).
fn outward(angle: f32, side: f32, length: f32) -> Vec2 {
    [side * angle.sin() * length, angle.cos() * length]
}

/// Where everything is, as fractions of the picture.
struct Pose {
    joints: [Vec2; 14],
    /// Height of the puppet standing upright: the unit of all thicknesses.
    height: f32,
    /// Down the body, of length 1.
    down: Vec2,
    /// Down the head, of length 1.
    head_down: Vec2,
}

/// Radius of the head, in heights.
const HEAD_RADIUS: f32 = 0.105;

impl Pose {
    fn new(rng: &mut ChaCha8Rng, look: &Look) -> Pose {
        let mut joints = [[0.0; 2]; 14];
        // First in heights, upright, from the middle of the hips.
        let lean = rng.random_range(-0.13..0.13_f32);
        let neck = turned([0.0, -0.285], lean);
        joints[NECK] = neck;
        let tilt = lean + rng.random_range(-0.22..0.22);
        joints[HEAD] = add(neck, turned([0.0, -0.135], tilt));
        for (side, arm, leg) in [(-1.0, ARMS[0], LEGS[0]), (1.0, ARMS[1], LEGS[1])] {
            let shoulder = add(neck, turned([side * 0.105, 0.035], lean));
            let upper = match rng.random_range(0..10) {
                0..6 => rng.random_range(0.25..1.2), // beside the body
                6..8 => rng.random_range(1.2..1.9),  // to the side
                _ => rng.random_range(1.9..2.6),     // up
            };
            // Lowered elbows bend either way, raised ones inward and up.
            let bend = if upper < 1.0 {
                rng.random_range(-0.9..0.7)
            } else {
                rng.random_range(-0.3..1.1)
            };
            let elbow = add(shoulder, outward(upper, side, 0.165));
            let hand = add(elbow, outward(upper + bend, side, 0.155));
            for (joint, place) in arm.into_iter().zip([shoulder, elbow, hand]) {
                joints[joint] = place;
            }
            let hip = [side * 0.06, 0.0];
            let thigh = if rng.random_range(0..6) == 0 {
                rng.random_range(0.5..1.0)
            } else {
                rng.random_range(0.06..0.5)
            };
            let bend = rng.random_range(-0.6..0.1_f32).max(-thigh - 0.15);
            let knee = add(hip, outward(thigh, side, 0.205));
            let foot = add(knee, outward(thigh + bend, side, 0.205));
            for (joint, place) in leg.into_iter().zip([hip, knee, foot]) {
                joints[joint] = place;
            }
        }
        let turn = rng.random_range(-0.12..0.12_f32);
        joints = joints.map(|joint| turned(joint, turn));

        // Into the picture: as high as wanted, or as its arms allow, and in the middle, but for a little.
        let mut height = rng.random_range(0.66..0.86_f32);
        let margin = 0.06 * look.stout;
        let bounds = |height: f32| {
            let mut low = mul(joints[HEAD], height).map(|v| v - 1.35 * HEAD_RADIUS * height);
            let mut high = mul(joints[HEAD], height).map(|v| v + 1.35 * HEAD_RADIUS * height);
            for joint in joints {
                for axis in 0..2 {
                    low[axis] = low[axis].min((joint[axis] - margin) * height);
                    high[axis] = high[axis].max((joint[axis] + margin) * height);
                }
            }
            (low, high)
        };
        let (low, high) = bounds(1.0);
        height = height
            .min(0.95 / (high[0] - low[0]))
            .min(0.95 / (high[1] - low[1]));
        let (low, high) = bounds(height);
        let jitter = [rng.random_range(-0.05..0.05), rng.random_range(-0.04..0.04)];
        let shift = [0, 1].map(|axis| {
            let centred = 0.5 - (low[axis] + high[axis]) / 2.0 + jitter[axis];
            centred.clamp(0.015 - low[axis], 0.985 - high[axis])
        });
        Pose {
            joints: joints.map(|joint| add(mul(joint, height), shift)),
            height,
            down: turned([0.0, 1.0], turn + lean),
            head_down: turned([0.0, 1.0], turn + tilt),
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------------
// EdgeMapParams

/// A wall: a gradient, soft spots, maybe stripes or dots, a floor, and a grain over all of it.
fn background(canvas: &mut Canvas, look: &Look, rng: &mut ChaCha8Rng) {
    let wall = look.wall;
    let other = lch(
        (wall.l + rng.random_range(-0.18..0.12)).clamp(0.5, 0.95),
        wall.c + 0.02,
        wall.h + rng.random_range(-0.15..0.15),
    );
    let angle = rng.random_range(0.0..TAU);
    let along = mul([angle.cos(), angle.sin()], 0.6);
    let gradient = canvas.linear(
        sub([0.5; 2], along),
        add([0.5; 2], along),
        &[(0.0, wall.paint(1.0)), (1.0, other.paint(1.0))],
        SpreadMode::Pad,
    );
    canvas.fill_all(gradient);

    match rng.random_range(0..5) {
        0 => {
            let width = rng.random_range(0.05..0.14_f32);
            let to = mul([angle.sin(), angle.cos()], width);
            let (clear, stripe) = (other.lit(0.08).paint(0.0), other.lit(0.08).paint(0.55));
            let stops = [
                (0.0, clear),
                (0.48, clear),
                (0.52, stripe),
                (0.98, stripe),
                (1.0, clear),
            ];
            let stripes = canvas.linear([0.0; 2], to, &stops, SpreadMode::Repeat);
            canvas.fill_all(stripes);
        }
        1 => {
            let pitch = rng.random_range(0.11..0.2_f32);
            let dot = other.lit(rng.random_range(-0.1..0.1));
            for row in 0..=(1.0 / pitch) as usize {
                for column in 0..=(1.0 / pitch) as usize + 1 {
                    let shift = if row % 2 == 0 { 0.0 } else { 0.5 };
                    let centre = [(column as f32 - shift) * pitch, (row as f32 + 0.5) * pitch];
                    let path = canvas.hull(&[(centre, 0.24 * pitch)]);
                    canvas.fill(path, Shader::SolidColor(dot.paint(0.7)));
                }
            }
        }
        2 => {
            let level = rng.random_range(0.62..0.8_f32);
            let floor = lch(wall.l - 0.14, 0.05, wall.h + rng.random_range(0.1..0.4));
            if let Some(rect) = Rect::from_ltrb(0.0, level * canvas.side, canvas.side, canvas.side)
            {
                let stops = [(0.0, floor.paint(1.0)), (1.0, floor.lit(0.1).paint(1.0))];
                let shader = canvas.linear([0.0, level], [0.0, 1.0], &stops, SpreadMode::Pad);
                canvas.fill(Some(PathBuilder::from_rect(rect)), shader);
            }
        }
        _ => {}
    }
    for _ in 0..rng.random_range(2..6) {
        let centre = [rng.random_range(0.0..1.0), rng.random_range(0.0..1.0)];
        let colour = lch(
            rng.random_range(0.45..0.95),
            rng.random_range(0.03..0.10),
            wall.h + rng.random_range(-0.3..0.3),
        );
        let (radius, squeeze, alpha) = (
            rng.random_range(0.12..0.4),
            rng.random_range(0.6..1.4),
            rng.random_range(0.15..0.5),
        );
        canvas.glow(centre, radius, squeeze, colour, alpha);
    }
    grain(canvas, rng);
}

/// Value noise on two scales, smooth and fine.
fn grain(canvas: &mut Canvas, rng: &mut ChaCha8Rng) {
    const LATTICE: usize = 65; // 64 cells a side, drawn whatever the size of the picture is
    let strength = rng.random_range(2.0..9.0_f32);
    let cells = [rng.random_range(5.0..12.0_f32), 63.0];
    let noise: Vec<f32> = (0..LATTICE * LATTICE)
        .map(|_| rng.random_range(-1.0..1.0_f32))
        .collect();
    let at = |x: usize, y: usize| noise[y.min(LATTICE - 1) * LATTICE + x.min(LATTICE - 1)];
    let smooth = |x: f32, y: f32| {
        let (i, j) = (x as usize, y as usize);
        let ease = |t: f32| t * t * (3.0 - 2.0 * t);
        let (u, v) = (ease(x.fract()), ease(y.fract()));
        let upper = at(i, j) * (1.0 - u) + at(i + 1, j) * u;
        let lower = at(i, j + 1) * (1.0 - u) + at(i + 1, j + 1) * u;
        upper * (1.0 - v) + lower * v
    };
    let side = canvas.pixmap.width() as usize;
    for (i, pixel) in canvas.pixmap.data_mut().chunks_exact_mut(4).enumerate() {
        let (x, y) = (
            (i % side) as f32 / side as f32,
            (i / side) as f32 / side as f32,
        );
        let value = strength
            * (smooth(x * cells[0], y * cells[0]) + 0.5 * smooth(x * cells[1], y * cells[1]));
        // The background is opaque, so premultiplied values are plain ones.
        for channel in &mut pixel[..3] {
            *channel = (f32::from(*channel) + value).round().clamp(0.0, 255.0) as u8;
        }
    }
}

/// One piece of a puppet: a convex shape and its colour.
struct Piece {
    circles: Vec<Circle>,
    fill: Fill,
}

enum Fill {
    /// Rounded by light from the upper left.
    Lit(Lch),
    /// Two colours in turn along a direction, over that length.
    Bands(Lch, Lch, Vec2),
}

/// Draws pieces that belong together: their outlines first, so that no line runs between them.
fn group(canvas: &mut Canvas, outline: f32, pieces: &[Piece]) {
    for piece in pieces {
        let (Fill::Lit(colour) | Fill::Bands(colour, ..)) = piece.fill;
        let edge = lch(colour.l * 0.42, colour.c * 0.8, colour.h);
        let wider: Vec<Circle> = piece
            .circles
            .iter()
            .map(|&(centre, radius)| (centre, radius + outline))
            .collect();
        let path = canvas.hull(&wider);
        canvas.fill(path, Shader::SolidColor(edge.paint(1.0)));
    }
    for piece in pieces {
        let path = canvas.hull(&piece.circles);
        let shader = match piece.fill {
            Fill::Lit(colour) => lit(canvas, &piece.circles, colour),
            Fill::Bands(one, two, period) => {
                let from = piece.circles[0].0;
                let stops = [
                    (0.0, one),
                    (0.47, one),
                    (0.53, two),
                    (0.97, two),
                    (1.0, one),
                ]
                .map(|(at, c)| (at, c.paint(1.0)));
                canvas.linear(from, add(from, period), &stops, SpreadMode::Repeat)
            }
        };
        canvas.fill(path, shader);
    }
}

/// Light to dark across a shape: across its length where it is long, else from the upper left.
fn lit(canvas: &Canvas, circles: &[Circle], colour: Lch) -> Shader<'static> {
    let (first, last) = (circles[0], circles[circles.len() - 1]);
    let radius = circles.iter().fold(0.0_f32, |a, c| a.max(c.1));
    let along = sub(last.0, first.0);
    let length = along[0].hypot(along[1]);
    let light = [-0.6, -0.8_f32];
    let direction = if circles.len() == 2 && length > 0.5 * radius {
        let across = mul([-along[1], along[0]], 1.0 / length);
        let facing = across[0] * light[0] + across[1] * light[1];
        mul(across, facing.signum())
    } else {
        light
    };
    let middle = circles.iter().fold([0.0; 2], |sum, c| {
        add(sum, mul(c.0, 1.0 / circles.len() as f32))
    });
    let reach = circles.iter().fold(0.0_f32, |a, c| {
        let from = sub(c.0, middle);
        a.max((from[0] * direction[0] + from[1] * direction[1]).abs() + c.1)
    });
    let stops = [
        (0.0, colour.lit(0.07)),
        (0.45, colour),
        (1.0, colour.lit(-0.13)),
    ]
    .map(|(at, c)| (at, c.paint(1.0)));
    canvas.linear(
        add(middle, mul(direction, reach)),
        sub(middle, mul(direction, reach)),
        &stops,
        SpreadMode::Pad,
    )
}

/// The puppet, back to front.
fn figure(canvas: &mut Canvas, look: &Look, pose: &Pose) {
    let joints = &pose.joints;
    let unit = pose.height;
    let thick = |heights: f32| heights * unit * look.stout;
    let outline = 0.010 * unit;
    let lit = |circles: Vec<Circle>, colour| Piece {
        circles,
        fill: Fill::Lit(colour),
    };

    // A shadow on the ground.
    let feet = mix(joints[LEGS[0][2]], joints[LEGS[1][2]], 0.5);
    let lowest = joints[LEGS[0][2]][1].max(joints[LEGS[1][2]][1]);
    let apart = (joints[LEGS[0][2]][0] - joints[LEGS[1][2]][0]).abs();
    let shadow = lch(0.2, 0.02, look.wall.h);
    canvas.glow(
        [feet[0], lowest + 0.04 * unit],
        0.16 * unit + 0.55 * apart,
        0.22,
        shadow,
        0.45,
    );

    // Hair that falls behind the shoulders.
    let (head, radius) = (joints[HEAD], HEAD_RADIUS * unit);
    let down = mul(pose.head_down, radius);
    let right = [down[1], -down[0]];
    let on_head = |x: f32, y: f32| add(head, add(mul(right, x), mul(down, y)));
    if look.hair == Hair::Long {
        let hair = [
            (on_head(0.0, -0.1), 1.12 * radius),
            (on_head(-0.62, 1.0), 0.42 * radius),
            (on_head(0.62, 1.0), 0.42 * radius),
        ];
        group(
            canvas,
            outline,
            &[lit(hair.to_vec(), look.hair_colour.lit(-0.05))],
        );
    }

    for leg in LEGS {
        let [hip, knee, foot] = leg.map(|joint| joints[joint]);
        let side = (foot[0] - joints[NECK][0]).signum();
        let shin = sub(foot, knee);
        let toe = add(
            foot,
            add(mul(shin, 0.16), [side * 0.045 * unit, 0.006 * unit]),
        );
        let lower = if look.shorts {
            look.skin
        } else {
            look.trousers
        };
        let mut pieces = vec![
            lit(
                vec![
                    (add(foot, mul(shin, 0.10)), thick(0.026)),
                    (toe, thick(0.024)),
                ],
                look.shoes,
            ),
            lit(vec![(knee, thick(0.038)), (foot, thick(0.029))], lower),
            lit(vec![(hip, thick(0.054)), (knee, thick(0.040))], lower),
        ];
        if look.shorts {
            let hem = mix(hip, knee, 0.72);
            pieces.push(lit(
                vec![(hip, thick(0.056)), (hem, thick(0.05))],
                look.trousers,
            ));
        }
        group(canvas, outline, &pieces);
    }

    // Neck, then the torso with the hips in it.
    let neck = joints[NECK];
    group(
        canvas,
        outline,
        &[lit(
            vec![(head, thick(0.03)), (neck, thick(0.034))],
            look.skin.lit(-0.06),
        )],
    );
    let [left, right_shoulder] = [joints[ARMS[0][0]], joints[ARMS[1][0]]];
    let hips = [joints[LEGS[0][0]], joints[LEGS[1][0]]];
    let waist = mul(pose.down, -0.055 * unit);
    group(
        canvas,
        outline,
        &[lit(
            vec![(hips[0], thick(0.05)), (hips[1], thick(0.05))],
            look.trousers,
        )],
    );
    let body = vec![
        (left, thick(0.04)),
        (right_shoulder, thick(0.04)),
        (add(hips[1], waist), thick(0.043)),
        (add(hips[0], waist), thick(0.043)),
    ];
    let fill = match look.pattern {
        Pattern::Plain => Fill::Lit(look.shirt),
        Pattern::Stripes => Fill::Bands(look.shirt, look.trim, mul(pose.down, 0.085 * unit)),
        Pattern::Halves => Fill::Bands(look.shirt, look.trim, mul(pose.down, 0.30 * unit)),
    };
    group(
        canvas,
        outline,
        &[Piece {
            circles: body,
            fill,
        }],
    );

    for arm in ARMS {
        let [shoulder, elbow, hand] = arm.map(|joint| joints[joint]);
        let lower = if look.long_sleeves {
            look.shirt
        } else {
            look.skin
        };
        let cuff = mix(elbow, hand, if look.long_sleeves { 0.86 } else { 1.0 });
        let mut pieces = vec![
            lit(
                vec![
                    (hand, thick(0.032)),
                    (add(hand, mul(sub(hand, elbow), 0.12)), thick(0.028)),
                ],
                look.skin,
            ),
            lit(vec![(elbow, thick(0.032)), (cuff, thick(0.027))], lower),
            lit(vec![(shoulder, thick(0.041)), (elbow, thick(0.033))], lower),
        ];
        if !look.long_sleeves {
            let hem = mix(shoulder, elbow, 0.58);
            pieces.push(lit(
                vec![(shoulder, thick(0.042)), (hem, thick(0.041))],
                look.shirt,
            ));
        }
        group(canvas, outline, &pieces);
    }

    face(canvas, look, outline, radius, &on_head);
}

/// Head, hair and a friendly face. `on_head(x, y)`: a place in head radii from its centre, x to the right, y down.
fn face(
    canvas: &mut Canvas,
    look: &Look,
    outline: f32,
    radius: f32,
    on_head: &dyn Fn(f32, f32) -> Vec2,
) {
    let lit = |circles: Vec<Circle>, colour| Piece {
        circles,
        fill: Fill::Lit(colour),
    };
    let hair = look.hair_colour;
    if look.hair == Hair::Bun {
        group(
            canvas,
            outline,
            &[lit(vec![(on_head(0.0, -1.1), 0.38 * radius)], hair)],
        );
    }
    let skull = lit(vec![(on_head(0.0, -0.06), 0.98 * radius)], hair);
    let cheeks = lit(
        vec![
            (on_head(0.0, 0.0), 0.94 * radius),
            (on_head(0.0, 0.16), 0.86 * radius),
        ],
        look.skin,
    );
    group(canvas, outline, &[skull, cheeks]);
    let cap = [
        (on_head(-0.40, -0.66), 0.36 * radius),
        (on_head(0.0, -0.78), 0.34 * radius),
        (on_head(0.40, -0.66), 0.36 * radius),
    ];
    if look.hair == Hair::Hat {
        let crown = lit(cap.map(|(centre, r)| (centre, 1.3 * r)).to_vec(), look.trim);
        let brim = lit(
            vec![
                (on_head(-0.84, -0.42), 0.14 * radius),
                (on_head(0.84, -0.42), 0.14 * radius),
            ],
            look.shirt,
        );
        group(canvas, outline, &[crown, brim]);
    } else {
        let path = canvas.hull(&cap);
        canvas.fill(path, Shader::SolidColor(hair.paint(1.0)));
    }

    let ink = lch(0.2, 0.03, 0.1);
    for side in [-1.0, 1.0] {
        canvas.glow(
            on_head(side * 0.56, 0.46),
            0.3 * radius,
            1.0,
            lch(0.65, 0.15, 0.05),
            0.35,
        );
        let eye = canvas.hull(&[
            (on_head(side * 0.36, 0.10), 0.125 * radius),
            (on_head(side * 0.36, 0.22), 0.125 * radius),
        ]);
        canvas.fill(eye, Shader::SolidColor(ink.paint(1.0)));
    }
    // The smile: a chain of short strokes along an arc.
    let smile: Vec<Vec2> = (-3..=3)
        .map(|i| {
            let x = i as f32 * 0.095;
            on_head(x, 0.64 - 1.3 * x * x)
        })
        .collect();
    for ends in smile.windows(2) {
        let stroke = canvas.hull(&[(ends[0], 0.06 * radius), (ends[1], 0.06 * radius)]);
        canvas.fill(stroke, Shader::SolidColor(ink.paint(1.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_puppet_does_not_depend_on_the_others() {
        let few = puppets(3, 5, 32);
        let many = puppets(6, 5, 32);
        for i in 0..3 {
            assert_eq!(few.dataset.pixels(i), many.dataset.pixels(i));
            assert_eq!(few.joints[i], many.joints[i]);
            let (alone, joints) = puppet(i, 5, 32);
            assert_eq!(alone.pixels, few.dataset.pixels(i));
            assert_eq!(joints, few.joints[i]);
        }
        assert_ne!(few.dataset.pixels(0), few.dataset.pixels(1));
        assert_ne!(few.dataset.pixels(0), puppets(1, 6, 32).dataset.pixels(0));
        // The same puppet at another size.
        assert_eq!(puppet(2, 5, 96).1, few.joints[2]);
    }

    #[test]
    fn joints_lie_inside_and_on_the_puppet() {
        for index in 0..300 {
            let mut rng = ChaCha8Rng::seed_from_u64(11);
            rng.set_stream(index);
            let look = Look::new(&mut rng);
            let pose = Pose::new(&mut rng, &look);
            let mut canvas = Canvas::new(200);
            figure(&mut canvas, &look, &pose);
            for (name, joint) in JOINT_NAMES.iter().zip(pose.joints) {
                assert!(
                    joint.iter().all(|&v| (0.02..0.98).contains(&v)),
                    "{index} {name} {joint:?}"
                );
                let [x, y] = joint.map(|v| (v * 200.0) as u32);
                let alpha = canvas.pixmap.pixel(x, y).expect("inside").alpha();
                assert_eq!(alpha, 255, "{index} {name} {joint:?}");
            }
            // Nothing is cut off: the border stays clear, but for the soft shadow.
            for i in 0..200 {
                for (x, y) in [(0, i), (199, i), (i, 0), (i, 199)] {
                    assert!(
                        canvas.pixmap.pixel(x, y).expect("inside").alpha() < 140,
                        "{index} {x} {y}"
                    );
                }
            }
            let height = pose.height;
            assert!((0.55..0.87).contains(&height), "{index} {height}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pose_everywhere() {
        let (_, joints) = puppet(0, 0, 32);
        let head = joints[HEAD];
        assert!(
            (head[0] - 0.548_571).abs() < 1e-4 && (head[1] - 0.213_571).abs() < 1e-4,
            "{head:?}"
        );
    }
}
