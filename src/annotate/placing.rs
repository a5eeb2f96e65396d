//! Labels onto the images that are here: which image each belongs to, and where in its pixels.

use serde::Serialize;

use super::{Annotations, Image, Point, match_names};
use crate::data::dataset::Placement;
use crate::data::tally::Tally;

/// What a file that was read holds, and what in it could not be used.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Imported {
    /// What could be used.
    pub annotations: Annotations,
    /// Whether coordinates are fractions of the image instead of px: the file does not hold its size.
    pub in_fractions: bool,
    /// A sentence for each thing that could not be used, with how many of it and an example.
    pub notes: Vec<String>,
}

/// Labels as they lie on the images here.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// Which image here, and its points: px of it, in the order of the file's keypoints. Images without a point are left out.
    pub images: Vec<(usize, Vec<Point>)>,
    /// How many images of the file are not here.
    pub missing: usize,
    /// "Labels for 3 images; 2 are not here, for example sub/c.png."
    pub summary: String,
    /// A sentence for each thing that was changed or left out, with how many of it and an example.
    pub notes: Vec<String>,
}

/// How labels come from the image that they were made on to the one here.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    /// It has this size, or its size is not known.
    AsIs,
    /// It is a copy of another size: by this factor.
    Scaled(f64),
    /// It is the file's pixels as stored, which the EXIF orientation turns; by this factor.
    Turned(f64),
    /// It has another shape.
    No,
}

impl Imported {
    /// Lays the labels on the images that are `here`. Images are matched by their names ([`match_names`]).
    ///
    /// Labels that were made on a copy of another size are scaled, and those made without looking at EXIF orientation are
    /// turned as the image is; those of an image of another shape are left out.
    pub fn onto(&self, here: &[Image]) -> Placed {
        let theirs = &self.annotations.images;
        let names = |images: &[Image]| images.iter().map(Image::picture_name).collect::<Vec<_>>();
        let (wanted, ours) = (names(theirs), names(here));
        let mut tally = Tally::default();
        let mut images: Vec<(usize, Vec<Point>)> = Vec::new();
        let mut taken_from: Vec<Option<usize>> = vec![None; here.len()];
        let mut missing = Vec::new();
        for (i, at) in match_names(&wanted, &ours).into_iter().enumerate() {
            let Some(at) = at else {
                missing.push(&wanted[i]);
                continue;
            };
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
                        "Images that are in the file twice; the first labels of each were taken",
                        &wanted[i],
                    );
                    // Unless these are under the very name.
                    if wanted[i] == ours[at] {
                        images[before].1 = points;
                    }
                }
            }
        }
        let count = images.len();
        let mut summary = format!(
            "Labels for {count} {}",
            if count == 1 { "image" } else { "images" }
        );
        if let Some(first) = missing.first() {
            let are = if missing.len() == 1 { "is" } else { "are" };
            summary += &format!("; {} {are} not here, for example {first}", missing.len());
        }
        summary.push('.');
        Placed {
            missing: missing.len(),
            images,
            summary,
            notes: tally.notes(),
        }
    }

    /// An image's points in px of the one here; none if the two are not of one shape.
    fn points_on(&self, theirs: &Image, here: &Image, tally: &mut Tally) -> Option<Vec<Point>> {
        let name = here.picture_name();
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
            match way(made, here) {
                Way::AsIs => Box::new(|at| at),
                Way::Scaled(factor) => {
                    tally.add("Labels that were made on a copy of another size were scaled to the image here", &example);
                    Box::new(move |at| at.map(|v| v * factor))
                }
                Way::Turned(factor) => {
                    tally.add(
                        "Labels that were made without looking at the image's EXIF orientation were turned with it",
                        &example,
                    );
                    let (orientation, stored) = (here.exif_orientation, [sides[1], sides[0]]);
                    Box::new(move |at| turned(at.map(|v| v * factor), stored, orientation))
                }
                Way::No => {
                    let what = if made == [shown[1], shown[0]] {
                        "Labels were left out, since they were made before the image was turned (its EXIF orientation is gone): \
                         use the image that they were made on"
                    } else {
                        "Labels were left out, since they were made on an image of another shape: use the image that they were made on"
                    };
                    tally.add(what, &example);
                    return None;
                }
            }
        };
        let is_told =
            matches!(here.exif_orientation, 5..=8) && made != [0; 2] && shown[0] != shown[1];
        if here.exif_orientation > 1 && !is_told {
            tally.add(
                "Images with an EXIF orientation, of which the file does not tell whether their labels were made on the image as \
                 shown; that was taken: look at them",
                &name,
            );
        }
        let on_image = |point: &Point| {
            let [x_px, y_px] = if point.is_there() {
                map([point.x_px, point.y_px])
            } else {
                [0.0; 2]
            };
            Point {
                x_px,
                y_px,
                ..*point
            }
        };
        Some(theirs.points.iter().map(on_image).collect())
    }
}

/// How labels come from an image of `made` px to the one here.
fn way(made: [u32; 2], here: &Image) -> Way {
    let shown = [here.width_px, here.height_px];
    if made.contains(&0) || shown.contains(&0) || made == shown {
        return Way::AsIs;
    }
    let stored = matches!(here.exif_orientation, 5..=8).then_some([shown[1], shown[0]]);
    if stored == Some(made) {
        return Way::Turned(1.0);
    }
    let factor = |to: [u32; 2]| {
        let ([w, h], [to_w, to_h]) = (made.map(f64::from), to.map(f64::from));
        // The sides of a copy are whole px: each may be off by a half.
        let slack = 0.5 * (w + h).max(to_w + to_h);
        ((w * to_h - h * to_w).abs() <= slack).then(|| (to_w + to_h) / (w + h))
    };
    match (factor(shown), stored.and_then(factor)) {
        (Some(factor), _) => Way::Scaled(factor),
        (None, Some(factor)) => Way::Turned(factor),
        (None, None) => Way::No,
    }
}

/// A point of the pixels as stored, `[width, height]` px, where the EXIF orientation shows it.
fn turned([x, y]: [f64; 2], [width, height]: [f64; 2], orientation: u8) -> [f64; 2] {
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
    /// An image as it is here, without points: to lay labels on.
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
    fn labels_made_without_exif_are_turned_with_the_image() {
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
        // An orientation that keeps the shape, or a file without sizes, does not tell.
        for (orientation, made) in [(3, [300, 400]), (6, [0, 0])] {
            let file = labels(vec![image("p.jpg", made, &[[10.0, 20.0]])]);
            let placed = file.onto(&[here(orientation)]);
            assert_eq!(placed.images[0].1[0], Point::placed([10.0, 20.0]));
            assert!(
                placed.notes[0].contains("look at them"),
                "{:?}",
                placed.notes
            );
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
    fn fractions_become_pixels_of_the_image_here() {
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
        // Twice the same image: the first labels.
        let file = labels(vec![
            image("t/a.png", [0, 0], &[[1.0, 2.0]]),
            image("t/a.png", [0, 0], &[[3.0, 4.0]]),
        ]);
        let placed = file.onto(&here);
        assert_eq!(placed.images, [(0, vec![Point::placed([1.0, 2.0])])]);
        assert!(placed.notes[0].contains("twice"), "{:?}", placed.notes);
    }
}
