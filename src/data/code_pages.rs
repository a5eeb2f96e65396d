//! Decodes names in zips that are not marked as UTF-8.
//!
//! Zips made on Windows hold names in the code page of their country, and do not say in which. The encoding is guessed by how common the
//! characters are that the bytes would stand for. No name is lost: the last resort, code page 437, has a character for every byte.

/// Characters 0x80 to 0xFF of the code pages of the United States and of western Europe.
const CP437: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u{a0}";
const CP850: &str = "ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u{ad}±‗¾¶§÷¸°¨·¹³²■\u{a0}";

/// Multi-byte encodings, the likelier first in case of equal scores: label in the Encoding Standard, and commonness of its characters.
const WIDE: [(&str, Commonness); 4] = [
    ("shift_jis", shift_jis),
    ("euc-kr", euc_kr),
    ("big5", big5),
    ("gbk", gbk),
];

/// Returns, for the character at the start of the bytes, its length and 2 if it is common, 0 if it is not, and less if it is rare; none if
/// no character starts so.
type Commonness = fn(&[u8]) -> Option<(usize, i32)>;

/// Decodes names, each given with true if the zip marks it as UTF-8.
///
/// The unmarked names are UTF-8 if all of them can be (macOS writes them so), else they share one encoding.
pub fn decode<'a>(names: impl Iterator<Item = (&'a [u8], bool)> + Clone) -> Vec<String> {
    let unmarked = names
        .clone()
        .filter(|(_, says_utf8)| !says_utf8)
        .map(|(raw, _)| raw);
    let is_utf8 = unmarked.clone().all(|raw| std::str::from_utf8(raw).is_ok());
    let strange: Vec<&[u8]> = match is_utf8 {
        true => Vec::new(),
        false => unmarked.filter(|raw| !raw.is_ascii()).collect(),
    };
    let page = [CP437, CP850]
        .into_iter()
        .rev() // max_by_key returns the last of equal elements
        .max_by_key(|page| {
            strange
                .iter()
                .map(|raw| western_score(raw, page))
                .sum::<i32>()
        })
        .unwrap_or(CP437);
    let least: i32 = strange.iter().map(|raw| western_score(raw, page)).sum();
    let mut wide: Vec<(i32, &str)> = WIDE
        .iter()
        .filter_map(|(label, commonness)| {
            let counts = strange.iter().map(|raw| wide_score(raw, *commonness));
            Some((counts.sum::<Option<i32>>()?, *label))
        })
        .filter(|(score, _)| *score > least)
        .collect();
    wide.sort_by_key(|(score, _)| -score);
    let fits = |label: &&str| strange.iter().all(|raw| converted(label, raw).is_some());
    let label = wide.into_iter().map(|(_, label)| label).find(fits);

    names
        .map(|(raw, says_utf8)| match std::str::from_utf8(raw) {
            Ok(text) if says_utf8 || is_utf8 || raw.is_ascii() => text.to_string(),
            _ => label
                .and_then(|label| converted(label, raw))
                .unwrap_or_else(|| decode_page(raw, page)),
        })
        .collect()
}

/// Sums the commonness of a name's characters in a multi-byte encoding; returns none if the bytes are not valid in it.
fn wide_score(raw: &[u8], commonness: Commonness) -> Option<i32> {
    let (mut rest, mut score) = (raw, 0);
    while let Some(&first) = rest.first() {
        let (length, count) = if first < 0x80 {
            (1, 0)
        } else {
            commonness(rest)?
        };
        score += count;
        rest = rest.get(length..)?;
    }
    Some(score)
}

fn shift_jis(bytes: &[u8]) -> Option<(usize, i32)> {
    if matches!(bytes[0], 0xA1..=0xDF) {
        return Some((1, 0)); // half-width katakana
    }
    let (lead, trail) = (bytes[0], *bytes.get(1)?);
    if !matches!(lead, 0x81..=0x9F | 0xE0..=0xFC) || !matches!(trail, 0x40..=0x7E | 0x80..=0xFC) {
        return None;
    }
    let count = match (lead, trail) {
        (0x81, 0x5B) | (0x82, 0x9F..) | (0x83, ..=0x96) | (0x88..=0x97, _) => 2,
        (0x81 | 0x82 | 0x98..=0x9F | 0xE0..=0xEA, _) => 0,
        _ => -1,
    };
    Some((2, count))
}

fn euc_kr(bytes: &[u8]) -> Option<(usize, i32)> {
    let (lead, trail) = (bytes[0], *bytes.get(1)?);
    let count = match (lead, trail) {
        (0xB0..=0xC8, 0xA1..=0xFE) => 2,
        (0xA1..=0xFE, 0xA1..=0xFE) => -1,
        (0x81..=0xC6, 0x41..=0x5A | 0x61..=0x7A | 0x81..=0xFE) => -1,
        _ => return None,
    };
    Some((2, count))
}

fn big5(bytes: &[u8]) -> Option<(usize, i32)> {
    let (lead, trail) = (bytes[0], *bytes.get(1)?);
    if !matches!(lead, 0xA1..=0xF9) || !matches!(trail, 0x40..=0x7E | 0xA1..=0xFE) {
        return None;
    }
    Some((2, if matches!(lead, 0xA4..=0xC6) { 2 } else { 0 }))
}

fn gbk(bytes: &[u8]) -> Option<(usize, i32)> {
    let (lead, trail) = (bytes[0], *bytes.get(1)?);
    if !matches!(lead, 0x81..=0xFE) || !matches!(trail, 0x40..=0x7E | 0x80..=0xFE) {
        return None;
    }
    let count = match (lead, trail) {
        (0xB0..=0xD7, 0xA1..) => 2,
        (0xD8..=0xF7, 0xA1..) => 0,
        _ => -1,
    };
    Some((2, count))
}

/// Scores how much a name looks western: its accented letters stand among plain ones, in words of one case.
fn western_score(raw: &[u8], page: &str) -> i32 {
    let name = decode_page(raw, page);
    let mut score = 0;
    for word in name.split(|c: char| !c.is_alphabetic()) {
        let plain = word.chars().filter(char::is_ascii).count();
        let accented = word.chars().count() - plain;
        // "Über" and "ÜBER", but not "IMGîó".
        let is_one_case =
            word.chars().skip(1).all(char::is_lowercase) || word.chars().all(char::is_uppercase);
        let count = if plain >= accented && is_one_case {
            3
        } else {
            -2
        };
        score += count * accented as i32;
    }
    let signs = name
        .chars()
        .filter(|c| !c.is_ascii() && !c.is_alphabetic())
        .count();
    score - 2 * signs as i32
}

/// Decodes bytes of a single-byte code page.
fn decode_page(raw: &[u8], page: &str) -> String {
    let upper: Vec<char> = page.chars().collect();
    raw.iter()
        .map(|&byte| match byte.checked_sub(0x80) {
            None => char::from(byte),
            Some(i) => upper[usize::from(i)],
        })
        .collect()
}

/// Decodes bytes in an encoding of the Encoding Standard; returns none if they are not valid in it.
#[cfg(not(target_family = "wasm"))]
fn converted(label: &str, raw: &[u8]) -> Option<String> {
    let encoding = encoding_rs::Encoding::for_label(label.as_bytes())?;
    let text = encoding.decode_without_bom_handling_and_without_replacement(raw)?;
    Some(text.into_owned())
}

/// Uses the browser's tables, which would add much to the size of the page.
#[cfg(target_family = "wasm")]
fn converted(label: &str, raw: &[u8]) -> Option<String> {
    use js_sys::{Array, Function, Object, Reflect, Uint8Array};
    use wasm_bindgen::{JsCast, JsValue};

    let convert = || -> Result<JsValue, JsValue> {
        let class: Function = Reflect::get(&js_sys::global(), &"TextDecoder".into())?.dyn_into()?;
        let options = Object::new();
        Reflect::set(&options, &"fatal".into(), &true.into())?;
        let decoder = Reflect::construct(&class, &Array::of2(&label.into(), &options))?;
        let decode: Function = Reflect::get(&decoder, &"decode".into())?.dyn_into()?;
        let bytes = JsValue::from(Uint8Array::from(raw));
        decode.call1(&decoder, &bytes)
    };
    convert().ok()?.as_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that names survive encoding and decoding.
    fn assert_round_trip(label: &str, names: &[&str]) {
        let encoding =
            encoding_rs::Encoding::for_label(label.as_bytes()).expect("a known encoding");
        let raw: Vec<Vec<u8>> = names
            .iter()
            .map(|name| {
                let (bytes, _, is_lossy) = encoding.encode(name);
                assert!(!is_lossy, "{name} in {label}");
                bytes.into_owned()
            })
            .collect();
        assert_eq!(
            decode(raw.iter().map(|raw| (&raw[..], false))),
            names,
            "{label}"
        );
    }

    #[test]
    fn decode_recognises_asian_code_pages() {
        // The second byte of the first three is a backslash.
        assert_round_trip("shift_jis", &["ソ.png", "表.png", "十.png", "犬.png"]);
        assert_round_trip(
            "shift_jis",
            &["写真/テスト01.jpg", "写真/ひらがな.jpg", "a.jpg"],
        );
        assert_round_trip("big5", &["成功.png", "許.png"]);
        assert_round_trip("big5", &["照片/測試一.jpg", "照片/臺灣.jpg"]);
        assert_round_trip("gbk", &["图片/测试1.jpg", "图片/中国.jpg"]);
        assert_round_trip("euc-kr", &["사진/강아지.jpg", "한글.png"]);
    }

    #[test]
    fn decode_recognises_western_code_pages() {
        let in_page = |page: &str, names: &[&str]| {
            let byte = |c: char| match c.is_ascii() {
                true => c as u8,
                false => 0x80 + page.chars().position(|other| other == c).expect("in it") as u8,
            };
            let raw: Vec<Vec<u8>> = names
                .iter()
                .map(|name| name.chars().map(byte).collect())
                .collect();
            assert_eq!(decode(raw.iter().map(|raw| (&raw[..], false))), names);
        };
        assert_eq!([CP437, CP850].map(|page| page.chars().count()), [128; 2]);
        in_page(CP437, &["käse.png"]);
        in_page(CP437, &["Größe.jpg", "Über.jpg", "fête/naïve.jpg"]);
        in_page(CP850, &["São João.jpg", "blåbær rød.jpg"]);
        in_page(CP437, &["α.png"]);
    }

    #[test]
    fn decode_accepts_unmarked_utf8_and_every_byte() {
        let names = ["käse.png", "手.png", "a.png"];
        assert_eq!(
            decode(names.iter().map(|name| (name.as_bytes(), false))),
            names
        );
        // Marked names stand for themselves.
        let mixed = [("手.png".as_bytes(), true), (&b"\x83\x5c.png"[..], false)];
        assert_eq!(decode(mixed.into_iter()), ["手.png", "ソ.png"]);
        let all: Vec<[u8; 1]> = (0..=255).map(|byte| [byte]).collect();
        let mut decoded = decode(all.iter().map(|raw| (&raw[..], false)));
        decoded.sort();
        decoded.dedup();
        assert_eq!(decoded.len(), 256);
        // Marked wrongly.
        assert_eq!(decode([(&b"k\x84se"[..], true)].into_iter()), ["käse"]);
    }
}
