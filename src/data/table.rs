//! Reads texts and tables as other programs save them, in any of the usual encodings and with any of the usual separators.

/// Cells that spreadsheets and libraries write in place of a missing number.
const BLANKS: [&str; 9] = ["", "nan", "na", "n/a", "#n/a", "null", "none", "-", "."];

/// Decodes the text of a file: UTF-8, UTF-16 (recognised by its byte order mark or its zeros), else Latin-1. An encoding other than UTF-8
/// is added to `notes`.
///
/// ```
/// let text = autolink::data::table::text("a.csv", b"file,tip_x,tip_y\n", &mut Vec::new());
/// assert_eq!(text.as_deref(), Ok("file,tip_x,tip_y\n"));
/// ```
///
/// # Errors
/// A sentence if the file is not a text.
pub fn text(name: &str, bytes: &[u8], notes: &mut Vec<String>) -> Result<String, String> {
    if bytes.starts_with(b"\x89HDF") {
        return Err(format!(
            "{name} is an HDF5 file (DeepLabCut's .h5, SLEAP's .slp), which cannot be read here. Use the .csv beside it, or export one."
        ));
    }
    let wide = |order: fn([u8; 2]) -> u16, bytes: &[u8]| -> Result<String, String> {
        let units = bytes.chunks_exact(2).map(|pair| order([pair[0], pair[1]]));
        (char::decode_utf16(units).collect::<Result<String, _>>()).map_err(|_| {
            format!("{name} looks like UTF-16, but is damaged. Save it again as UTF-8.")
        })
    };
    let utf_16 = match bytes {
        [0xff, 0xfe, rest @ ..] => Some(wide(u16::from_le_bytes, rest)?),
        [0xfe, 0xff, rest @ ..] => Some(wide(u16::from_be_bytes, rest)?),
        _ => {
            // Latin letters in UTF-16 have a zero each.
            let start = &bytes[..bytes.len().min(512)];
            let zeros = |first: usize| {
                start
                    .iter()
                    .skip(first)
                    .step_by(2)
                    .filter(|b| **b == 0)
                    .count()
            };
            let many = start.len() / 4;
            match (zeros(0), zeros(1)) {
                (0, 0) => None,
                (even, odd) if odd > many && even * 4 < odd => {
                    Some(wide(u16::from_le_bytes, bytes)?)
                }
                (even, odd) if even > many && odd * 4 < even => {
                    Some(wide(u16::from_be_bytes, bytes)?)
                }
                _ => return Err(not_text(name)),
            }
        }
    };
    if let Some(text) = utf_16 {
        if text
            .chars()
            .any(|c| matches!(c, '\0'..='\u{8}' | '\u{e}'..='\u{1f}'))
        {
            return Err(not_text(name));
        }
        notes.push(format!("{name} was read as UTF-16 (\"Unicode text\")."));
        return Ok(text);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim_start_matches('\u{feff}').to_string()),
        Err(_) if bytes.iter().any(|b| matches!(b, 0..=8 | 14..=31)) => Err(not_text(name)),
        Err(_) => {
            notes.push(format!(
                "{name} is not in UTF-8, and was read as Latin-1. If letters in names are wrong, save it as UTF-8."
            ));
            Ok(bytes.iter().map(|b| char::from(*b)).collect())
        }
    }
}

fn not_text(name: &str) -> String {
    format!(
        "{name} is not a text file. Use labels in .csv, .json, .xml or .txt, or a zip of those."
    )
}

/// Reads the rows of a table (RFC 4180), each with the line on which it begins, without empty lines. Cells are separated by commas, or by
/// semicolons or tabs if one comes first in the first line, which is added to `notes`. Lines end in LF, CR LF or CR.
///
/// (By hand, since the `csv` crate reads a quote without an end as one cell with all the rest, and counts lines by LF only.)
///
/// ```
/// let rows = autolink::data::table::rows("file,tip_x\n\n\"a, b.png\",1\n", &mut Vec::new()).unwrap();
/// assert_eq!(rows[1], (3, vec!["a, b.png".to_string(), "1".to_string()]));
/// ```
///
/// # Errors
/// A clause for a message, if a quote does not end.
pub fn rows(text: &str, notes: &mut Vec<String>) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut text = text.trim_start_matches('\u{feff}');
    let mut separator = separator_of(text);
    let mut skipped = 0;
    // Excel's way to declare the separator.
    if let Some(rest) = text.strip_prefix("sep=")
        && let Some(c) = rest.chars().next()
    {
        separator = c;
        text = rest[c.len_utf8()..]
            .trim_start_matches('\r')
            .trim_start_matches('\n');
        skipped = 1;
    }
    let name = match separator {
        ',' => None,
        '\t' => Some("tabs"),
        ';' => Some("semicolons"),
        _ => Some("other characters"),
    };
    if let Some(name) = name {
        notes.push(format!(
            "The table is separated by {name} instead of commas. A comma in a number was read as its decimal point."
        ));
    }

    let mut rows = Vec::new();
    let (mut cells, mut cell) = (Vec::new(), String::new());
    let (mut quoted, mut was_quoted) = (false, false);
    let (mut line, mut first_line) = (1 + skipped, 1 + skipped);
    let mut chars = text.chars().peekable();
    loop {
        let mut c = chars.next();
        if c == Some('\r') && !quoted {
            chars.next_if_eq(&'\n');
            c = Some('\n');
        }
        if c == Some('\n') || (c == Some('\r') && chars.peek() != Some(&'\n')) {
            line += 1;
        }
        match c {
            None if quoted => {
                return Err(format!(
                    "a quote that begins in line {first_line} does not end"
                ));
            }
            Some('"') if quoted => {
                if chars.next_if_eq(&'"').is_some() {
                    cell.push('"');
                } else {
                    quoted = false;
                }
            }
            Some(c) if quoted => cell.push(c),
            Some('"') if cell.is_empty() && !was_quoted => (quoted, was_quoted) = (true, true),
            Some(c) if c == separator => {
                cells.push(std::mem::take(&mut cell));
                was_quoted = false;
            }
            Some('\n') | None => {
                if !cells.is_empty() || !cell.is_empty() || was_quoted {
                    cells.push(std::mem::take(&mut cell));
                    rows.push((first_line, std::mem::take(&mut cells)));
                }
                was_quoted = false;
                first_line = line;
                if c.is_none() {
                    return Ok(rows);
                }
            }
            Some(c) => cell.push(c),
        }
    }
}

/// Returns the first separator outside of quotes: the first cell of supported tables never contains one.
fn separator_of(text: &str) -> char {
    let mut quoted = false;
    for c in text.trim_start_matches(['\r', '\n']).chars() {
        match c {
            '\r' | '\n' if !quoted => break,
            '"' => quoted = !quoted,
            ',' | ';' | '\t' if !quoted => return c,
            _ => {}
        }
    }
    ','
}

/// Reads the number in a cell; returns none for a blank one. A comma may stand for the decimal point.
///
/// ```
/// use autolink::data::table::number;
///
/// assert_eq!((number("0,5"), number("NaN"), number("x")), (Ok(Some(0.5)), Ok(None), Err("x")));
/// ```
///
/// # Errors
/// The cell's text, if it is not a number.
pub fn number(cell: &str) -> Result<Option<f64>, &str> {
    let cell = cell.trim();
    if BLANKS.iter().any(|blank| cell.eq_ignore_ascii_case(blank)) {
        return Ok(None);
    }
    let value = match cell.split_once(',') {
        Some((whole, digits)) if digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{whole}.{digits}").parse()
        }
        _ => cell.parse::<f64>(),
    };
    value
        .ok()
        .filter(|value| value.is_finite())
        .map(Some)
        .ok_or(cell)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Vec<String>)> {
        rows(text, &mut Vec::new()).expect("rows")
    }

    #[test]
    fn rows_accept_any_line_ending() {
        for end in ["\n", "\r\n", "\r"] {
            let text = format!("\u{feff}a,b{end}{end}c,\"d{end}e\"{end}f,g");
            let cells = read(&text);
            assert_eq!(
                cells.iter().map(|(line, _)| *line).collect::<Vec<_>>(),
                [1, 3, 5],
                "{end:?}"
            );
            assert_eq!(cells[1].1, ["c".to_string(), format!("d{end}e")]);
        }
        let mut notes = Vec::new();
        assert!(
            rows("a\n\"b", &mut notes)
                .expect_err("a quote")
                .contains("line 2")
        );
    }

    #[test]
    fn rows_detect_semicolons_and_tabs() {
        for (text, what) in [
            ("file;a, left_x;a, left_y\nb.png;0,5;0,25\n", "semicolons"),
            ("file\ta, left_x\ta, left_y\nb.png\t0,5\t0,25\n", "tabs"),
            (
                "sep=;\nfile;a, left_x;a, left_y\nb.png;0,5;0,25\n",
                "semicolons",
            ),
        ] {
            let mut notes = Vec::new();
            let cells = rows(text, &mut notes).expect("rows");
            assert_eq!(cells[0].1[1], "a, left_x");
            assert_eq!(number(&cells[1].1[1]), Ok(Some(0.5)));
            assert!(notes[0].contains(what), "{notes:?}");
            assert_eq!(cells[1].0, text.lines().count());
        }
        let mut notes = Vec::new();
        assert_eq!(
            rows("file,\"a;b;c\"\n", &mut notes).expect("rows")[0].1[1],
            "a;b;c"
        );
        assert!(notes.is_empty());
    }

    #[test]
    fn number_reads_blanks_and_commas() {
        for blank in ["", " ", "nan", "NaN", "NA", "#N/A", "null"] {
            assert_eq!(number(blank), Ok(None), "{blank}");
        }
        for (cell, value) in [(" 1e-1 ", 0.1), ("0,25", 0.25), ("-3", -3.0), (".5", 0.5)] {
            assert_eq!(number(cell), Ok(Some(value)), "{cell}");
        }
        for cell in ["x", "inf", "1,2,3", "1,2x", "0x10"] {
            assert_eq!(number(cell), Err(cell));
        }
    }

    #[test]
    fn text_detects_the_encoding() {
        let table = "file,größe_x\na.png,0.5\n";
        let utf_16: Vec<u16> = table.encode_utf16().collect();
        let little: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        let latin: Vec<u8> = table.chars().map(|c| c as u8).collect();
        let cases = [
            (table.as_bytes().to_vec(), ""),
            ([b"\xef\xbb\xbf", table.as_bytes()].concat(), ""),
            ([b"\xff\xfe".as_slice(), &little].concat(), "UTF-16"),
            ([b"\xfe\xff".as_slice(), &big].concat(), "UTF-16"),
            (little, "UTF-16"),
            (big, "UTF-16"),
            (latin, "Latin-1"),
        ];
        for (bytes, note) in cases {
            let mut notes = Vec::new();
            assert_eq!(text("t.csv", &bytes, &mut notes).as_deref(), Ok(table));
            assert!(notes.concat().contains(note), "{note}: {notes:?}");
            assert_eq!(notes.is_empty(), note.is_empty());
        }
        for (bytes, part) in [
            (b"\x89HDF\r\n\x1a\n".as_slice(), "HDF5"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "t.csv is not a text"),
            (b"\xff\xfe\x00\xd8", "UTF-16, but is damaged"),
        ] {
            let message = text("t.csv", bytes, &mut Vec::new()).expect_err(part);
            assert!(message.contains(part), "{message}");
        }
    }
}
