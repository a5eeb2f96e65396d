//! Unicode's composed form (NFC) of names: macOS writes `ü` as two characters, other systems as one.

use std::borrow::Cow;

/// Converts text to Unicode's composed form, in which equal names have equal bytes.
///
/// ```
/// assert_eq!(autolink::data::nfc::nfc("u\u{308}ber.png"), "über.png");
/// ```
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

/// Uses the browser's Unicode tables, which would add much to the size of the page.
#[cfg(target_family = "wasm")]
fn compose(text: &str) -> String {
    js_sys::JsString::from(text).normalize("NFC").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nfc_composes_names_of_macos() {
        assert_eq!(nfc("u\u{308}ber/a.png"), "über/a.png");
        assert_eq!(nfc("über/a.png"), "über/a.png");
        // Hangul is composed by rule, not by table.
        assert_eq!(nfc("\u{1112}\u{1161}\u{11ab}"), "한");
    }
}
