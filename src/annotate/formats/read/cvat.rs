//! Reads CVAT for images 1.1: skeletons, or loose points, in one XML.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{LabelCollector, ReadResult};
use crate::annotate::{Imported, Point, Visibility};
use crate::data::table;

/// A label of the task.
#[derive(Default)]
struct Label {
    name: String,
    color: String,
    kind: String,
    svg: String,
}

/// An object on an image: its label, and points by their labels. A loose point is an object without a label.
struct Object {
    image: usize,
    label: Option<String>,
    points: Vec<(String, Point)>,
}

pub(super) fn read(text: &str) -> ReadResult<Imported> {
    let damaged = |e: &dyn std::fmt::Display| {
        format!("The XML is damaged ({e}). Export the task again as \"CVAT for images 1.1\".")
    };
    let mut found = LabelCollector::default();
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut labels: Vec<Label> = Vec::new();
    let mut objects: Vec<Object> = Vec::new();
    let mut image = None;
    loop {
        let event = reader.read_event().map_err(|e| damaged(&e))?;
        let is_empty = matches!(event, Event::Empty(_));
        match event {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) => {
                let name = element.name().as_ref().to_string();
                match name.as_str() {
                    "label" => labels.push(Label::default()),
                    "track" => {
                        return Err("This is \"CVAT for video\". Export the task as \"CVAT for images 1.1\" instead.".into());
                    }
                    "image" => {
                        let side = |key| {
                            attribute(&element, key)
                                .and_then(|side| side.parse().ok())
                                .unwrap_or(0)
                        };
                        image = match attribute(&element, "name") {
                            Some(file) => {
                                Some(found.image(&file, None, [side("width"), side("height")]))
                            }
                            None => {
                                let at = attribute(&element, "id").unwrap_or_default();
                                found.tally.add(
                                    "Images without a name were ignored",
                                    &format!("image {at}"),
                                );
                                None
                            }
                        };
                    }
                    "skeleton" => objects.extend(image.map(|image| Object {
                        image,
                        label: attribute(&element, "label"),
                        points: Vec::new(),
                    })),
                    "points" => {
                        if let Some(image) = image {
                            let is_part = path.last().is_some_and(|parent| parent == "skeleton");
                            let point =
                                point(&element, &found.images[image].file_name.clone(), &mut found);
                            match objects.last_mut().filter(|_| is_part) {
                                Some(object) => object.points.extend(point),
                                None => objects.push(Object {
                                    image,
                                    label: None,
                                    points: point.into_iter().collect(),
                                }),
                            }
                        }
                    }
                    "box" | "polygon" | "polyline" | "ellipse" | "cuboid" | "mask" | "tag"
                        if image.is_some() =>
                    {
                        let at = image
                            .map_or("", |image| &found.images[image].file_name)
                            .to_string();
                        found
                            .tally
                            .add("Boxes, outlines and tags were ignored", &at);
                    }
                    _ => {}
                }
                if !is_empty {
                    path.push(name);
                }
            }
            Event::End(_) => {
                let is_image = path.pop().is_some_and(|name| name == "image");
                image = image.filter(|_| !is_image);
            }
            Event::Text(text) => {
                add_text(&mut labels, &path, &text);
            }
            Event::CData(text) => add_text(&mut labels, &path, &text),
            Event::GeneralRef(reference) => {
                let name: &str = &reference;
                let text = quick_xml::escape::unescape(&format!("&{name};"))
                    .map_err(|e| damaged(&e))?
                    .into_owned();
                add_text(&mut labels, &path, &text);
            }
            _ => {}
        }
    }
    if found.images.is_empty() {
        return Err("The XML has no images. Export the task as \"CVAT for images 1.1\".".into());
    }

    // One kind of object is read: the most frequent one.
    let mut kinds: Vec<(&Option<String>, usize)> = Vec::new();
    for object in &objects {
        match kinds.iter_mut().find(|(known, _)| *known == &object.label) {
            Some((_, count)) => *count += 1,
            None => kinds.push((&object.label, 1)),
        }
    }
    let kind = kinds
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .and_then(|(label, _)| (*label).clone());
    let skeleton = labels.iter().find(|label| {
        label.kind == "skeleton" && kind.as_ref().is_none_or(|kind| label.name == *kind)
    });
    found.category = kind.clone().or(skeleton.map(|label| label.name.clone()));
    let (nodes, edges) = skeleton
        .map(|label| drawing(&label.svg))
        .unwrap_or_default();
    for (_, name) in &nodes {
        found.keypoint(name);
    }
    let is_point = |label: &&Label| label.kind == "points";
    if nodes.is_empty() {
        labels.iter().filter(is_point).for_each(|label| {
            found.keypoint(&label.name);
        });
    }
    for object in objects {
        if object.label != kind {
            let label = object.label.as_deref().unwrap_or("loose points");
            let what =
                format!("Objects were ignored because only one kind of object is read ({label})");
            let at = found.images[object.image].file_name.clone();
            found.tally.add(&what, &at);
            continue;
        }
        let mut points = Vec::new();
        for (name, point) in object.points {
            let at = found.keypoint(&name);
            if points.len() <= at {
                points.resize(at + 1, Point::ABSENT);
            }
            points[at] = point;
        }
        match object.label {
            Some(_) => found.place_object(object.image, points),
            None => points
                .into_iter()
                .enumerate()
                .for_each(|(at, point)| found.place(object.image, at, point)),
        }
    }
    let index = |id: &str| nodes.iter().position(|(known, _)| known == id);
    found.skeleton = edges
        .iter()
        .filter_map(|[a, b]| Some([index(a)?, index(b)?]))
        .collect();
    let colors: Vec<(usize, String)> = (labels.iter().filter(is_point))
        .filter_map(|label| Some((*found.originals.get(&label.name)?, label.color.clone())))
        .filter(|(_, color)| {
            color.len() == 7
                && color.starts_with('#')
                && color[1..].bytes().all(|b| b.is_ascii_hexdigit())
        })
        .collect();
    let mut imported = found.finish();
    for (at, color) in colors {
        imported.annotations.keypoints[at].color = color;
    }
    Ok(imported)
}

/// Adds text to the parts of a `<label>`.
fn add_text(labels: &mut [Label], path: &[String], text: &str) {
    if let ([.., parent, name], Some(label)) = (path, labels.last_mut())
        && parent == "label"
    {
        match name.as_str() {
            "name" => label.name += text,
            "color" => label.color += text,
            "type" => label.kind += text,
            "svg" => label.svg += text,
            _ => {}
        }
    }
}

fn attribute(element: &BytesStart, name: &str) -> Option<String> {
    let attribute = element.try_get_attribute(name).ok()??;
    // Whitespace is part of names: it is not normalised.
    let raw = attribute.value.into_owned();
    Some(quick_xml::escape::unescape(&raw).map_or(raw.clone(), |text| text.into_owned()))
}

/// Reads a labelled point; none, with a note, if it has no place or several.
fn point(element: &BytesStart, file: &str, found: &mut LabelCollector) -> Option<(String, Point)> {
    let name = attribute(element, "label")?;
    let is = |key: &str| attribute(element, key).is_some_and(|value| value == "1");
    if is("outside") {
        return Some((name, Point::ABSENT));
    }
    let places = attribute(element, "points").unwrap_or_default();
    let place = places
        .split_once(',')
        .and_then(|(x, y)| table::number(x).ok()?.zip(table::number(y).ok().flatten()));
    let Some((x, y)) = place.filter(|_| !places.contains(';')) else {
        found
            .tally
            .add("Points without exactly one position were ignored", file);
        return None;
    };
    let visibility = if is("occluded") {
        Visibility::Occluded
    } else {
        Visibility::Visible
    };
    let is_automatic = attribute(element, "source").is_some_and(|source| source == "auto");
    Some((
        name,
        Point {
            visibility,
            corrected: !is_automatic,
            ..Point::placed([x, y])
        },
    ))
}

/// Reads the nodes of a skeleton's drawing, id and name, and the ids that its edges join.
fn drawing(svg: &str) -> (Vec<(String, String)>, Vec<[String; 2]>) {
    let (mut nodes, mut edges) = (Vec::new(), Vec::new());
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = false;
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) => {
                let attribute = |key| attribute(&element, key);
                match element.name().as_ref() {
                    "circle" => {
                        nodes.extend(attribute("data-node-id").zip(attribute("data-label-name")))
                    }
                    "line" => edges.extend(
                        (attribute("data-node-from").zip(attribute("data-node-to")))
                            .map(|(a, b)| [a, b]),
                    ),
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (nodes, edges)
}

/// Lists the labels' values of Label Studio's config, `<Label value="nose"/>`, in order.
pub(super) fn label_values(config: &str) -> Vec<String> {
    let mut values = Vec::new();
    let mut reader = Reader::from_str(config);
    while let Ok(event) = reader.read_event() {
        match event {
            Event::Eof => break,
            Event::Start(element) | Event::Empty(element) if element.name().as_ref() == "Label" => {
                values.extend(attribute(&element, "value"));
            }
            _ => {}
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_accepts_skeletons_and_loose_points() {
        let text = "<?xml version=\"1.0\"?><annotations><version>1.1</version>\
            <image id=\"0\" name=\"a.png\" width=\"64\" height=\"48\"><points label=\"nose\" occluded=\"1\" points=\"1.5,2\"/>\
            <points label=\"ear\" points=\"3,4;5,6\"/><box label=\"x\" xtl=\"0\"/></image>\
            <image id=\"1\" width=\"64\" height=\"48\"/></annotations>";
        let imported = read(text).expect("reads");
        let image = &imported.annotations.images[0];
        assert_eq!((image.width_px, image.height_px), (64, 48));
        assert_eq!(
            image.points,
            [Point {
                visibility: Visibility::Occluded,
                ..Point::placed([1.5, 2.0])
            }]
        );
        let notes = imported.notes.join("\n");
        for part in [
            "without exactly one position were ignored: 1, a.png",
            "Boxes, outlines",
            "without a name were ignored: 1, image 1",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let skeleton = |label: &str, x: usize| {
            format!(
                "<skeleton label=\"{label}\"><points label=\"nose\" outside=\"0\" points=\"{x},2\"/></skeleton>"
            )
        };
        let text = format!(
            "<annotations><image name=\"a.png\">{}{}</image><image name=\"b.png\">{}</image></annotations>",
            skeleton("cat", 1),
            skeleton("mouse", 2),
            skeleton("mouse", 3)
        );
        let imported = read(&text).expect("reads");
        assert_eq!(imported.annotations.category, "mouse");
        assert_eq!(
            imported.annotations.images[0].points,
            [Point::placed([2.0, 2.0])]
        );
        assert!(
            imported.notes[0].contains("(cat): 1, a.png"),
            "{:?}",
            imported.notes
        );
    }

    #[test]
    fn read_rejects_other_xml() {
        for (text, part) in [
            ("<annotations><image", "damaged"),
            ("<annotations></meta>", "damaged"),
            ("<annotations><track/></annotations>", "CVAT for video"),
            ("<annotations/>", "no images"),
        ] {
            let message = read(text).expect_err(part);
            assert!(message.contains(part), "{message}");
        }
    }
}
