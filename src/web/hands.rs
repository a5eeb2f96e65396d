//! The sample of hands: which photographs there are.

/// What to say about them.
pub const ABOUT: &str = "photographs of hands from the Sign Language Digits Dataset by Arda Mavi and Zeynep Dikle \
                         (Apache-2.0, github.com/ardamavi/Sign-Language-Digits-Dataset)";

/// `gesture/number` of each, a line holding one of each gesture: any first so many are balanced.
const NUMBERS: &str = include_str!("hands.txt");

/// Paths of the photographs: `0/IMG_1118.JPG` and so on.
pub fn names() -> impl Iterator<Item = String> {
    NUMBERS.split_whitespace().filter_map(|photograph| {
        let (gesture, number) = photograph.split_once('/')?;
        Some(format!("{gesture}/IMG_{number}.JPG"))
    })
}
