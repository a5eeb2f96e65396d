//! The sample of photographs of hands.

/// Source, authors and licence, to follow the number of photographs.
pub const ABOUT: &str = "photographs of hands from the Sign Language Digits Dataset by Arda Mavi and Zeynep Dikle \
                         (Apache-2.0, github.com/ardamavi/Sign-Language-Digits-Dataset)";

/// `gesture/number` of each photograph. A line holds one of each gesture, so that the first n photographs are balanced.
const NUMBERS: &str = include_str!("hands.txt");

/// Lists the paths of the photographs: `0/IMG_1118.JPG` and so on.
pub fn names() -> impl Iterator<Item = String> {
    NUMBERS.split_whitespace().filter_map(|photograph| {
        let (gesture, number) = photograph.split_once('/')?;
        Some(format!("{gesture}/IMG_{number}.JPG"))
    })
}
