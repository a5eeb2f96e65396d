//! The sample of photographs of hands: the list of all, and the 200 of them that come with the page, with landmarks.

use crate::data::{archive, table};
use crate::error::{Error, Result};

/// Source, authors and licence, to follow the number of photographs.
pub const ABOUT: &str = "photographs of hands from the Sign Language Digits Dataset by Arda Mavi and Zeynep Dikle \
                         (Apache-2.0, github.com/ardamavi/Sign-Language-Digits-Dataset)";

/// The number of photographs that come with the page, in `www/hands/hands-200.zip`.
pub const BUNDLED: usize = 200;

/// `gesture/number` of each photograph. A line holds one of each gesture, so that the first n photographs are balanced.
const NUMBERS: &str = include_str!("hands.txt");

/// Lists the paths of the photographs: `0/IMG_1118.JPG` and so on.
pub fn names() -> impl Iterator<Item = String> {
    NUMBERS.split_whitespace().filter_map(|photograph| {
        let (gesture, number) = photograph.split_once('/')?;
        Some(format!("{gesture}/IMG_{number}.JPG"))
    })
}

/// A photograph with its landmarks.
#[derive(Clone, Debug, PartialEq)]
pub struct Hand {
    /// Its path in the bundle: `0/IMG_1118.webp`.
    pub name: String,
    /// The bytes of its file.
    pub bytes: Vec<u8>,
    /// The landmarks `[L][x, y]` of a hand detector, as fractions of the photograph.
    pub landmarks: Vec<[f32; 2]>,
}

/// Reads the first `count` photographs of the bundle, a zip of images and `landmarks.csv` (`file,<name>_x,<name>_y,...`), in the order of
/// the table.
///
/// # Errors
/// [`Error::Images`] if the bundle is damaged.
pub fn read_bundle(zip: &[u8], count: usize) -> Result<Vec<Hand>> {
    let damaged =
        |why: String| Error::Images(format!("The photographs of hands are damaged ({why})."));
    let files = archive::read_directory(zip).map_err(damaged)?.files;
    let unpack = |path: &str| {
        let file = files.iter().find(|file| file.path == path);
        let file = file.ok_or_else(|| damaged(format!("{path} is missing")))?;
        archive::unpack(zip, &file.entry).map_err(damaged)
    };
    const TABLE: &str = "landmarks.csv";
    let mut notes = Vec::new();
    let text = table::text(TABLE, &unpack(TABLE)?, &mut notes).map_err(damaged)?;
    let rows = table::rows(&text, &mut notes).map_err(damaged)?;
    let hand = |(_, cells): &(usize, Vec<String>)| {
        let [name, numbers @ ..] = &cells[..] else {
            return Err(damaged("a row is empty".into()));
        };
        let numbers = numbers.iter().map(|cell| cell.parse());
        let numbers: Vec<f32> = numbers
            .collect::<std::result::Result<_, _>>()
            .map_err(|_| damaged(format!("{name} lacks a landmark")))?;
        Ok(Hand {
            name: name.clone(),
            bytes: unpack(name)?,
            landmarks: numbers.chunks_exact(2).map(|xy| [xy[0], xy[1]]).collect(),
        })
    };
    // The first row names the columns.
    rows.iter().skip(1).take(count).map(hand).collect()
}

#[cfg(test)]
mod tests {
    use super::{BUNDLED, Hand, names, read_bundle};
    use crate::config::Fit;
    use crate::data::decode::decode;

    const BUNDLE: &[u8] = include_bytes!("../../www/hands/hands-200.zip");

    #[test]
    fn bundle_has_two_hundred_listed_hands_with_landmarks() {
        assert!(BUNDLE.len() <= 700_000);
        let hands = read_bundle(BUNDLE, 1000).expect("reads");
        assert_eq!(hands.len(), BUNDLED);
        assert_eq!(read_bundle(BUNDLE, 3).expect("reads"), hands[..3]);
        let listed: Vec<String> = names().map(|name| name.replace("JPG", "webp")).collect();
        for Hand {
            name,
            bytes,
            landmarks,
        } in &hands
        {
            assert!(listed.contains(name), "{name}");
            assert_eq!(landmarks.len(), 21, "{name}");
            assert!(
                landmarks
                    .as_flattened()
                    .iter()
                    .all(|v| (-0.3..1.3).contains(v)),
                "{name}"
            );
            decode("hand.webp", bytes, 48, Fit::Crop).expect(name);
        }
        // As many of each gesture.
        for gesture in 0..10 {
            let start = format!("{gesture}/");
            let count = hands.iter().filter(|hand| hand.name.starts_with(&start));
            assert_eq!(count.count(), BUNDLED / 10, "gesture {gesture}");
        }
    }

    #[test]
    fn damaged_bundle_is_an_error_with_a_sentence() {
        let error = read_bundle(&BUNDLE[..BUNDLE.len() / 2], 3).expect_err("half of it");
        assert!(error.to_string().contains("are damaged"), "{error}");
    }
}
