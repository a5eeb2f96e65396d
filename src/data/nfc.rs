//! Unicode's composed form (NFC) of names: macOS writes `ü` as two characters, everybody else as one.

use std::borrow::Cow;

/// The text in Unicode's composed form, in which equal names are equal bytes.
pub fn nfc(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    Cow::Owned(compose(text))
}

#[cfg(not(target_family = "wasm"))]
fn compose(text: &str) -> String {
    use unicode_normalization::UnicodeNormalization as _;
    text.nfc().collect()
}

/// Browsers have the tables, which would be a good part of the page otherwise.
#[cfg(target_family = "wasm")]
fn compose(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFC").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_macos_are_composed() {
        assert_eq!(nfc("u\u{308}ber/a.png"), "über/a.png");
        assert_eq!(nfc("über/a.png"), "über/a.png");
        // Hangul is put together by rule, not by table.
        assert_eq!(nfc("\u{1112}\u{1161}\u{11ab}"), "한");
    }
}
