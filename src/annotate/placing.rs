//! Imported labels on the images that are here: each label finds its image, and its place in pixels of that.

use serde::Serialize;

use super::names::split_ambiguous;
use super::{Annotations, Image, Point, match_names};
use crate::data::dataset::Placement;
use crate::data::tally::Tally;
use crate::words::counted;

/// The contents of an imported file of labels, and notes on the parts that could not be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// The labels that could be used.
    pub annotations: Annotations,
    /// True if coordinates are fractions of the image instead of px, because the file does not hold the image's size.
    pub in_fractions: bool,
    /// One sentence for each kind of entry that could not be used, with its count and an example.
    pub notes: Vec<String>,
}

/// Labels on the images that are here.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedLabels {
    /// Indices of images, and their points in px, in the order of the file's keypoints. Images without a point are left out.
    pub images: Vec<(usize, Vec<Point>)>,
    /// Number of images in the file that are not here, or whose names could be matched in more than one way.
    pub missing: usize,
    /// "Labels for 3 images; 2 are not here, for example sub/c.png."
    pub summary: String,
    /// One sentence for each kind of label that was changed or left out, with its count and an example.
    pub notes: Vec<String>,
}

/// The mapping of coordinates from the image on which labels were made to the image that is here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Alignment {
    /// The same size, or an unknown one.
    Same,
    /// A copy of another size: scale by this factor.
    Scaled(f64),
    /// The pixels as stored, before the EXIF orientation: scale by this factor and rotate.
    Rotated(f64),
    /// Another aspect ratio: labels cannot be used.
    Mismatch,
}

impl Imported {
    /// Places the labels on the images that are `here`. Images are matched by their names ([`match_names`]).
    ///
    /// Labels that were made on a copy of another size are scaled, and labels that were made without the EXIF orientation are
    /// rotated with the image; labels of an image of another shape are left out.
    ///
    /// See `labels_made_without_exif_are_rotated` in this file.
    pub fn onto(&self, here: &[Image]) -> PlacedLabels {
        let theirs = &self.annotations.images;
        let names = |images: &[Image]| images.iter().map(Image::name).collect::<Vec<_>>();
        let (wanted, ours) = (names(theirs), names(here));
        let mut tally = Tally::default();
        let mut images: Vec<(usize, Vec<Point>)> = Vec::new();
        let mut taken_from: Vec<Option<usize>> = vec![None; here.len()];
        let mut missing = Vec::new();
        let mut is_matched = vec![false; here.len()];
        for (i, at) in match_names(&wanted, &ours).into_iter().enumerate() {
            let Some(at) = at else {
                missing.push(&wanted[i]);
                continue;
            };
            is_matched[at] = true;
            if !theirs[i].points.iter().any(Point::is_there) {
                continue;
            }
            let Some(points) = self.points_on(&theirs[i], &here[at], &mut tally) else {
                continue;
            };
            match taken_from[at] {
                None => {
                    taken_from[at] = Some(images.len());
                    images.push((at, points));
                }
                Some(before) => {
                    tally.add(
                        "Duplicate images in the file were ignored (the first labels of each were used)",
                        &wanted[i],
                    );
                    // Unless these have exactly the image's name.
                    if wanted[i] == ours[at] {
                        images[before].1 = points;
                    }
                }
            }
        }
        let mut summary = format!("Labels for {}", counted(images.len(), "image"));
        let unlabelled: Vec<&String> = (ours.iter().enumerate())
            .filter(|(i, _)| !is_matched[*i])
            .map(|(_, name)| name)
            .collect();
        let (ambiguous, missing) = split_ambiguous(missing, &unlabelled);
        if let Some(first) = missing.first() {
            let are = if missing.len() == 1 { "is" } else { "are" };
            summary += &format!("; {} {are} not here, for example {first}", missing.len());
        }
        if let Some(first) = ambiguous.first() {
            let counted = counted(ambiguous.len(), "name");
            summary +=
                &format!("; {counted} could be matched in more than one way, for example {first}");
        }
        summary.push('.');
        PlacedLabels {
            missing: missing.len() + ambiguous.len(),
            images,
            summary,
            notes: tally.notes(),
        }
    }

    /// Converts an image's points to px of the image that is here; none if the two differ in shape.
    fn points_on(&self, theirs: &Image, here: &Image, tally: &mut Tally) -> Option<Vec<Point>> {
        let name = here.name();
        let (made, shown) = (
            [theirs.width_px, theirs.height_px],
            [here.width_px, here.height_px],
        );
        let sides = shown.map(f64::from);
        let map: Box<dyn Fn([f64; 2]) -> [f64; 2]> = if self.in_fractions {
            Box::new(move |[x, y]| [x * sides[0], y * sides[1]])
        } else {
            let example = format!(
                "{name} (made on {} x {} px, here {} x {} px)",
                made[0], made[1], shown[0], shown[1]
            );
            match alignment(made, here) {
                Alignment::Same => Box::new(|at| at),
                Alignment::Scaled(factor) => {
                    tally.add(
                        "Labels that were made on a copy of another size were scaled to this image",
                        &example,
                    );
                    Box::new(move |at| at.map(|v| v * factor))
                }
                Alignment::Rotated(factor) => {
                    tally.add(
                        "Labels that were made without the image's EXIF orientation were rotated with the image",
                        &example,
                    );
                    let (orientation, stored) = (here.exif_orientation, [sides[1], sides[0]]);
                    Box::new(move |at| orient(at.map(|v| v * factor), stored, orientation))
                }
                Alignment::Mismatch => {
                    let what = if made == [shown[1], shown[0]] {
                        "Labels were ignored because they were made before the image was rotated and its EXIF \
                         orientation is gone (use the image that they were made on)"
                    } else {
                        "Labels were ignored because they were made on an image of another shape (use the image that they were made on)"
                    };
                    tally.add(what, &example);
                    return None;
                }
            }
        };
        let is_certain =
            matches!(here.exif_orientation, 5..=8) && made != [0; 2] && shown[0] != shown[1];
        if here.exif_orientation > 1 && !is_certain {
            tally.add(
                "Images have an EXIF orientation, and their labels were assumed to be made on the image as shown because \
                 the file does not say so (check them)",
                &name,
            );
        }
        let mut on_image = |point: &Point| {
            if !point.is_there() {
                return Point {
                    x_px: 0.0,
                    y_px: 0.0,
                    ..*point
                };
            }
            let at = map([point.x_px, point.y_px]);
            if shown[0] > 0 && is_far_outside(at, sides) {
                tally.add(
                    "Points were ignored because they lie far outside of their image",
                    &name,
                );
                return Point::ABSENT;
            }
            let [x_px, y_px] = at;
            Point {
                x_px,
                y_px,
                ..*point
            }
        };
        Some(theirs.points.iter().map(&mut on_image).collect())
    }
}

/// Returns true if a point, px, is further outside of an image than the image's own sides: a slip, or in another unit. A joint may well
/// lie a little outside.
fn is_far_outside(at: [f64; 2], sides: [f64; 2]) -> bool {
    (at.iter().zip(sides)).any(|(v, side)| !(-side..=2.0 * side).contains(v))
}

/// Determines how coordinates map from an image of `made` px to the image that is here.
fn alignment(made: [u32; 2], here: &Image) -> Alignment {
    let shown = [here.width_px, here.height_px];
    if made.contains(&0) || shown.contains(&0) || made == shown {
        return Alignment::Same;
    }
    let stored = matches!(here.exif_orientation, 5..=8).then_some([shown[1], shown[0]]);
    if stored == Some(made) {
        return Alignment::Rotated(1.0);
    }
    let factor = |to: [u32; 2]| {
        let ([w, h], [to_w, to_h]) = (made.map(f64::from), to.map(f64::from));
        // The sides of a copy are rounded to whole px: each may be off by half a px.
        let slack = 0.5 * (w + h).max(to_w + to_h);
        ((w * to_h - h * to_w).abs() <= slack).then(|| (to_w + to_h) / (w + h))
    };
    match (factor(shown), stored.and_then(factor)) {
        (Some(factor), _) => Alignment::Scaled(factor),
        (None, Some(factor)) => Alignment::Rotated(factor),
        (None, None) => Alignment::Mismatch,
    }
}

/// Moves a point from the pixels as stored, `[width, height]` px, to where the EXIF orientation shows it.
fn orient([x, y]: [f64; 2], [width, height]: [f64; 2], orientation: u8) -> [f64; 2] {
    match orientation {
        2 => [width - x, y],
        3 => [width - x, height - y],
        4 => [x, height - y],
        5 => [y, x],
        6 => [height - y, x],
        7 => [height - y, width - x],
        8 => [y, width - x],
        _ => [x, y],
    }
}

impl Image {
    /// Makes an image without points, to place labels on.
    ///
    /// See [`Imported::onto`].
    pub fn blank(file_name: String, placement: &Placement) -> Image {
        Image::detected(file_name, placement, &[], &[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::Visibility;

    fn image(name: &str, size: [u32; 2], points: &[[f64; 2]]) -> Image {
        Image {
            file_name: name.into(),
            frame: None,
            seconds: None,
            width_px: size[0],
            height_px: size[1],
            exif_orientation: 1,
            crop: None,
            points: points.iter().map(|at| Point::placed(*at)).collect(),
        }
    }

    fn labels(images: Vec<Image>) -> Imported {
        Imported {
            annotations: Annotations {
                images,
                ..Annotations::discovered(&["#ffffff".into()])
            },
            ..Imported::default()
        }
    }

    #[test]
    fn labels_made_without_exif_are_rotated() {
        // A phone's portrait: stored 400 x 300, shown 300 x 400.
        let here = |orientation| Image {
            exif_orientation: orientation,
            ..image("p.jpg", [300, 400], &[])
        };
        for (orientation, at) in [
            (5, [50.0, 100.0]),
            (6, [250.0, 100.0]),
            (7, [250.0, 300.0]),
            (8, [50.0, 300.0]),
        ] {
            for scale in [1, 2] {
                let made = [400 * scale, 300 * scale];
                let file = labels(vec![image(
                    "p.jpg",
                    made,
                    &[[f64::from(100 * scale), f64::from(50 * scale)]],
                )]);
                let placed = file.onto(&[here(orientation)]);
                let point = placed.images[0].1[0];
                assert_eq!([point.x_px, point.y_px], at, "{orientation}");
                assert!(
                    placed.notes[0].contains("EXIF orientation"),
                    "{:?}",
                    placed.notes
                );
            }
        }
        // Labels that were made on the image as it is shown stay.
        let file = labels(vec![image("p.jpg", [300, 400], &[[10.0, 20.0]])]);
        let placed = file.onto(&[here(6)]);
        assert_eq!(placed.images[0].1[0], Point::placed([10.0, 20.0]));
        assert!(placed.notes.is_empty(), "{:?}", placed.notes);
        // An orientation that keeps the shape, or a file without sizes, leaves it open.
        for (orientation, made) in [(3, [300, 400]), (6, [0, 0])] {
            let file = labels(vec![image("p.jpg", made, &[[10.0, 20.0]])]);
            let placed = file.onto(&[here(orientation)]);
            assert_eq!(placed.images[0].1[0], Point::placed([10.0, 20.0]));
            assert!(placed.notes[0].contains("check them"), "{:?}", placed.notes);
        }
    }

    #[test]
    fn labels_are_scaled_by_one_factor_or_left_out() {
        let here = [
            image("a.png", [640, 480], &[]),
            image("b.png", [480, 640], &[]),
        ];
        let file = labels(vec![
            image("a.png", [213, 160], &[[21.3, 16.0]]), // a third, rounded
            image("b.png", [640, 480], &[[1.0, 1.0]]),
        ]);
        let placed = file.onto(&here);
        assert_eq!(placed.images.len(), 1);
        let point = placed.images[0].1[0];
        assert!(
            (point.x_px - 64.0).abs() < 0.1 && (point.y_px - 48.0).abs() < 0.1,
            "{point:?}"
        );
        assert!(
            placed.notes[0].contains("scaled")
                && placed.notes[0].contains("a.png (made on 213 x 160 px")
        );
        assert!(
            placed.notes[1].contains("EXIF orientation is gone"),
            "{:?}",
            placed.notes
        );
        let file = labels(vec![image("a.png", [640, 640], &[[1.0, 1.0]])]);
        let placed = file.onto(&here);
        assert!(placed.images.is_empty());
        assert!(
            placed.notes[0].contains("another shape"),
            "{:?}",
            placed.notes
        );
        assert_eq!(placed.summary, "Labels for 0 images.");
    }

    #[test]
    fn fractions_are_scaled_to_the_image() {
        let mut file = labels(vec![image("a.png", [0, 0], &[[0.5, 0.25]])]);
        file.in_fractions = true;
        file.annotations.images[0].points[0].visibility = Visibility::Occluded;
        let placed = file.onto(&[image("a.png", [640, 480], &[])]);
        let expected = Point {
            visibility: Visibility::Occluded,
            ..Point::placed([320.0, 120.0])
        };
        assert_eq!(placed.images, [(0, vec![expected])]);
    }

    #[test]
    fn points_far_outside_are_ignored() {
        let points = [[100.0, 100.0], [330.0, -5.0], [1e6, 1.0], [1.0, -241.0]];
        let file = labels(vec![image("a.png", [320, 240], &points)]);
        let placed = file.onto(&[image("a.png", [320, 240], &[])]);
        let there = placed.images[0].1.iter().map(Point::is_there);
        assert_eq!(there.collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(placed.notes.len(), 1, "{:?}", placed.notes);
        assert!(
            placed.notes[0].contains("far outside"),
            "{:?}",
            placed.notes
        );
    }

    #[test]
    fn images_that_are_not_here_are_counted() {
        let names = ["a.png", "b.png", "c.png", "sub/c.png", "z.png", "A.PNG"];
        let there = |name: &&str| {
            image(
                name,
                [320, 240],
                if name.len() == 5 && *name != "z.png" {
                    &[[1.0, 2.0]]
                } else {
                    &[]
                },
            )
        };
        let here = ["a.png", "b.png", "c.png"].map(|name| image(name, [320, 240], &[]));
        let mut file = labels(names.iter().map(there).collect());
        file.annotations.images[5].points.clear();
        let placed = file.onto(&here);
        assert_eq!(
            placed.summary,
            "Labels for 3 images; 2 are not here, for example sub/c.png."
        );
        // Nothing is guessed, and the sentence says so.
        let twice = ["s/a.png", "t/a.png"].map(|name| image(name, [320, 240], &[]));
        let file = labels(vec![
            image("a.png", [0, 0], &[[1.0, 2.0]]),
            image("b.png", [0, 0], &[[1.0, 2.0]]),
        ]);
        assert_eq!(
            file.onto(&twice).summary,
            "Labels for 0 images; 1 is not here, for example b.png; 1 name could be matched in more than one way, for example a.png."
        );
        // The same image twice: the first labels win.
        let file = labels(vec![
            image("t/a.png", [0, 0], &[[1.0, 2.0]]),
            image("t/a.png", [0, 0], &[[3.0, 4.0]]),
        ]);
        let placed = file.onto(&here);
        assert_eq!(placed.images, [(0, vec![Point::placed([1.0, 2.0])])]);
        assert!(placed.notes[0].contains("Duplicate"), "{:?}", placed.notes);
    }
}
