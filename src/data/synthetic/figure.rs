//! The puppet itself, drawn from convex pieces.

use tiny_skia::{Shader, SpreadMode};

use super::appearance::{Appearance, Hair, Pattern};
use super::canvas::{Canvas, Circle, Lch, Vec2, add, lch, mix, mul, sub};
use super::pose::{HEAD_RADIUS, Pose};
use super::{ARMS, HEAD, LEGS, NECK};

/// One piece of a puppet: a convex shape and its colour.
struct Piece {
    circles: Vec<Circle>,
    fill: Fill,
}

enum Fill {
    /// Rounded by light from the upper left.
    Lit(Lch),
    /// Two colours that alternate with this period, along it.
    Bands(Lch, Lch, Vec2),
}

/// Draws pieces that belong together: all outlines first, so that none runs between two pieces.
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

/// Returns a gradient from light to dark: across a long shape, else from the upper left.
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

/// Draws the puppet from back to front.
pub(super) fn figure(canvas: &mut Canvas, appearance: &Appearance, pose: &Pose) {
    let joints = &pose.joints;
    let unit = pose.height;
    let thick = |heights: f32| heights * unit * appearance.stout;
    let outline = 0.010 * unit;
    let lit = |circles: Vec<Circle>, colour| Piece {
        circles,
        fill: Fill::Lit(colour),
    };

    // A shadow on the ground.
    let feet = mix(joints[LEGS[0][2]], joints[LEGS[1][2]], 0.5);
    let lowest = joints[LEGS[0][2]][1].max(joints[LEGS[1][2]][1]);
    let apart = (joints[LEGS[0][2]][0] - joints[LEGS[1][2]][0]).abs();
    let shadow = lch(0.2, 0.02, appearance.wall.h);
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
    if appearance.hair == Hair::Long {
        let hair = [
            (on_head(0.0, -0.1), 1.12 * radius),
            (on_head(-0.62, 1.0), 0.42 * radius),
            (on_head(0.62, 1.0), 0.42 * radius),
        ];
        group(
            canvas,
            outline,
            &[lit(hair.to_vec(), appearance.hair_colour.lit(-0.05))],
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
        let lower = if appearance.shorts {
            appearance.skin
        } else {
            appearance.trousers
        };
        let mut pieces = vec![
            lit(
                vec![
                    (add(foot, mul(shin, 0.10)), thick(0.026)),
                    (toe, thick(0.024)),
                ],
                appearance.shoes,
            ),
            lit(vec![(knee, thick(0.038)), (foot, thick(0.029))], lower),
            lit(vec![(hip, thick(0.054)), (knee, thick(0.040))], lower),
        ];
        if appearance.shorts {
            let hem = mix(hip, knee, 0.72);
            pieces.push(lit(
                vec![(hip, thick(0.056)), (hem, thick(0.05))],
                appearance.trousers,
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
            appearance.skin.lit(-0.06),
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
            appearance.trousers,
        )],
    );
    let body = vec![
        (left, thick(0.04)),
        (right_shoulder, thick(0.04)),
        (add(hips[1], waist), thick(0.043)),
        (add(hips[0], waist), thick(0.043)),
    ];
    let fill = match appearance.pattern {
        Pattern::Plain => Fill::Lit(appearance.shirt),
        Pattern::Stripes => Fill::Bands(
            appearance.shirt,
            appearance.trim,
            mul(pose.down, 0.085 * unit),
        ),
        Pattern::Halves => Fill::Bands(
            appearance.shirt,
            appearance.trim,
            mul(pose.down, 0.30 * unit),
        ),
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
        let lower = if appearance.long_sleeves {
            appearance.shirt
        } else {
            appearance.skin
        };
        let cuff = mix(
            elbow,
            hand,
            if appearance.long_sleeves { 0.86 } else { 1.0 },
        );
        let mut pieces = vec![
            lit(
                vec![
                    (hand, thick(0.032)),
                    (add(hand, mul(sub(hand, elbow), 0.12)), thick(0.028)),
                ],
                appearance.skin,
            ),
            lit(vec![(elbow, thick(0.032)), (cuff, thick(0.027))], lower),
            lit(vec![(shoulder, thick(0.041)), (elbow, thick(0.033))], lower),
        ];
        if !appearance.long_sleeves {
            let hem = mix(shoulder, elbow, 0.58);
            pieces.push(lit(
                vec![(shoulder, thick(0.042)), (hem, thick(0.041))],
                appearance.shirt,
            ));
        }
        group(canvas, outline, &pieces);
    }

    face(canvas, appearance, outline, radius, &on_head);
}

/// Draws head, hair and a friendly face. `on_head(x, y)` is the point x head radii to the right of its centre and y below.
fn face(
    canvas: &mut Canvas,
    appearance: &Appearance,
    outline: f32,
    radius: f32,
    on_head: &dyn Fn(f32, f32) -> Vec2,
) {
    let lit = |circles: Vec<Circle>, colour| Piece {
        circles,
        fill: Fill::Lit(colour),
    };
    let hair = appearance.hair_colour;
    if appearance.hair == Hair::Bun {
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
        appearance.skin,
    );
    group(canvas, outline, &[skull, cheeks]);
    let cap = [
        (on_head(-0.40, -0.66), 0.36 * radius),
        (on_head(0.0, -0.78), 0.34 * radius),
        (on_head(0.40, -0.66), 0.36 * radius),
    ];
    if appearance.hair == Hair::Hat {
        let crown = lit(
            cap.map(|(centre, r)| (centre, 1.3 * r)).to_vec(),
            appearance.trim,
        );
        let brim = lit(
            vec![
                (on_head(-0.84, -0.42), 0.14 * radius),
                (on_head(0.84, -0.42), 0.14 * radius),
            ],
            appearance.shirt,
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
