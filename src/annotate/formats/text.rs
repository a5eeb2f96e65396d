//! Numbers and text as the formats write them: short decimals, ASCII JSON and YAML, XML, CSV.

use std::fmt::Write as _;

use serde::Serialize;

/// Writes a number with at most `decimals` digits behind the point, without trailing zeros and without a negative zero.
pub(super) fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    if text == "-0" {
        "0".into()
    } else {
        text.into()
    }
}

/// Writes a length in pixels, rounded to 1e-4 px.
pub(super) fn px(value: f64) -> String {
    number(value, 4)
}

/// Rounds a length in pixels to 1e-4 px, for JSON.
pub(super) fn rounded_px(value: f64) -> f64 {
    // Adding 0 makes -0 a 0.
    (value * 1e4).round() / 1e4 + 0.0
}

/// Writes JSON in ASCII: readers that open files in their system's encoding, as many do on Windows, still read every name
/// correctly.
pub(super) fn json_ascii(value: &impl Serialize) -> String {
    // Only a map whose keys are not strings, or a failing writer, could fail; there are none here.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            ascii.push(c);
        } else {
            // Writing into a string cannot fail.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(ascii, "\\u{unit:04x}");
            }
        }
    }
    ascii
}

/// Writes a YAML string in double quotes, in ASCII.
pub(super) fn yaml_string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            ' '..='~' => quoted.push(c),
            // Unlike JSON's, YAML's escapes name whole characters. Writing into a string cannot fail.
            _ => {
                let _ = write!(quoted, "\\U{:08x}", u32::from(c));
            }
        }
    }
    quoted.push('"');
    quoted
}

/// Escapes text for XML, inside or outside of an attribute's double quotes. Characters that XML cannot hold become U+FFFD and line
/// breaks survive in attributes; `quick_xml::escape` does neither.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\t' | '\n' | '\r' => {
                let _ = write!(escaped, "&#{};", u32::from(c));
            }
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotate::formats::names::safe_path;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (10.5, "10.5"),
            (20.0, "20"),
            (-0.00001, "0"),
            (1.0 / 3.0, "0.3333"),
            (100.0, "100"),
            (-7.25, "-7.25"),
        ] {
            assert_eq!(px(value), text);
        }
        assert_eq!(number(1200.0, 0), "1200");
        assert_eq!(json_ascii(&rounded_px(-0.00001)), "0.0");
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(
            json_ascii(&"ü\u{1f44b}\"\\\u{7f}"),
            r#""\u00fc\ud83d\udc4b\"\\\u007f""#
        );
        assert_eq!(
            yaml_string("a: \"ü\u{1f44b}\"\\ #"),
            r#""a: \"\U000000fc\U0001f44b\"\\ #""#
        );
        assert_eq!(
            xml("<a & \"b\">\n\u{1}手"),
            "&lt;a &amp; &quot;b&quot;&gt;&#10;\u{fffd}手"
        );
        assert_eq!(safe_path("../a\\b//./c\n.png"), "a/b/c_.png");
    }
}
