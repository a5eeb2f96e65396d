//! Reading tables of landmarks: a header `file,<name>_x,<name>_y,...`, then one line per image.

use std::collections::HashSet;

use super::Position;
use crate::data::table;
use crate::data::tally::Tally;
use crate::error::{Error, Result};

/// Named landmarks of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Landmarks {
    /// Names of the landmarks, `[L]`, in the order of the columns.
    pub names: Vec<String>,
    /// File of each image, and the positions of its landmarks, `[L][x, y]`, as fractions of the image.
    pub rows: Vec<(String, Vec<Position>)>,
}

/// How messages describe the header of a table.
const HEADER: &str = "the header should be file,<name>_x,<name>_y and so on";

/// Names that the first column may have.
pub(crate) const FILE_COLUMNS: [&str; 6] = [
    "file",
    "filename",
    "file_name",
    "image",
    "image_name",
    "path",
];

impl Landmarks {
    /// Reads a table: a header `file,<name>_x,<name>_y,...`, then one line per image. Coordinates are fractions of the image, and blank
    /// where a landmark is absent.
    ///
    /// ```
    /// let table = autolink::eval::Landmarks::from_csv("file,tip_x,tip_y\na.png,0.5,0.25\nb.png,,\n").unwrap();
    /// assert_eq!(table.rows[0], ("a.png".to_string(), vec![Some([0.5, 0.25])]));
    /// assert_eq!(table.rows[1].1, [None]);
    /// ```
    ///
    /// # Errors
    /// As [`Landmarks::read`].
    pub fn from_csv(text: &str) -> Result<Landmarks> {
        Landmarks::read(text, &mut Vec::new())
    }

    /// Reads a table as [`Landmarks::from_csv`] does, and adds a note for each reason why a part of it could not be used.
    ///
    /// # Errors
    /// [`Error::Landmarks`] if nothing can be used, or if the coordinates look like pixels; it has the number of the line (the header is
    /// line 1).
    pub fn read(text: &str, notes: &mut Vec<String>) -> Result<Landmarks> {
        let rows = table::rows(text, notes).map_err(|what| {
            Error::Landmarks(format!("The table of landmarks cannot be read: {what}."))
        })?;
        let mut rows = rows.into_iter();
        let Some((number, header)) = rows.next() else {
            return Err(Error::Landmarks("The table of landmarks is empty.".into()));
        };
        let mut tally = Tally::default();
        let columns =
            coordinate_columns(&header, &mut tally).map_err(|what| at_line(number, &what))?;
        let mut landmarks = Landmarks {
            names: columns.iter().map(|(name, _)| name.clone()).collect(),
            rows: Vec::new(),
        };
        let mut seen = HashSet::new();
        let mut with_landmarks = 0;
        let mut not_fractions: Vec<(usize, f64)> = Vec::new(); // line, value
        let (mut fractions, mut lines) = (0, 0);
        for (line, cells) in rows {
            lines += 1;
            let file = cells[0].trim();
            let problem = if file.is_empty() {
                Some("Lines without a file were ignored")
            } else if cells
                .iter()
                .skip(header.len())
                .any(|cell| !cell.trim().is_empty())
            {
                Some(
                    "Lines with more cells than the header were ignored (do their numbers or names contain a comma?)",
                )
            } else if seen.contains(file) {
                Some("Duplicate lines of an image were ignored (the first of each was used)")
            } else {
                None
            };
            if let Some(problem) = problem {
                tally.add(problem, &format!("line {line}"));
                continue;
            }
            let mut value = |column: usize| {
                let cell = cells.get(column).map_or("", String::as_str);
                let value = table::number(cell).unwrap_or_else(|text| {
                    let what = "Cells that are not numbers count as blank";
                    tally.add(
                        what,
                        &format!(
                            "\"{}\" in line {line}",
                            text.chars().take(40).collect::<String>()
                        ),
                    );
                    None
                })?;
                // Landmarks may lie a little outside of the image; larger values are pixels or mistakes.
                if (-1.0..=2.0).contains(&value) {
                    fractions += 1;
                    return Some(value);
                }
                not_fractions.push((line, value));
                None
            };
            let positions: Vec<Position> = (columns.iter())
                .map(|(_, [x, y])| {
                    let (x, y) = (value(*x), value(*y));
                    Some([x?, y?])
                })
                .collect();
            if let Some((name, [x, y])) = (columns.iter().zip(&positions))
                .find_map(|(column, position)| position.is_none().then_some(column))
                && [x, y].iter().any(|column| {
                    cells
                        .get(**column)
                        .is_some_and(|cell| !cell.trim().is_empty())
                })
            {
                tally.add(
                    "Landmarks without two usable coordinates count as absent",
                    &format!("{name} in line {line}"),
                );
            }
            if positions.iter().any(Option::is_some) {
                with_landmarks += 1;
            } else {
                tally.add("Images without any landmark", file);
            }
            seen.insert(file.to_string());
            landmarks.rows.push((file.to_string(), positions));
        }
        if let Some((line, value)) = not_fractions.first() {
            if not_fractions.len() > fractions {
                return Err(at_line(
                    *line,
                    &format!(
                        "{value} is not a fraction of the image (0 to 1). The coordinates look like pixels. Divide x by the \
                         image's width and y by its height."
                    ),
                ));
            }
            for (line, value) in &not_fractions {
                let what = "Coordinates that are not a fraction of the image (0 to 1) were ignored";
                tally.add(what, &format!("{value} in line {line}"));
            }
        }
        notes.extend(tally.notes());
        if with_landmarks == 0 {
            let why = match lines {
                0 => "has a header but no lines for images",
                _ => "has no image with a landmark: all coordinates are blank or unusable",
            };
            return Err(Error::Landmarks(format!("The table of landmarks {why}.")));
        }
        Ok(landmarks)
    }
}

fn at_line(number: usize, what: &str) -> Error {
    Error::Landmarks(format!("Line {number} of the landmarks: {what}"))
}

/// Finds the names `[L]` and the columns of their x and y in a header `file,<name>_x,<name>_y,...`, whose order is free.
fn coordinate_columns(
    header: &[String],
    tally: &mut Tally,
) -> std::result::Result<Vec<(String, [usize; 2])>, String> {
    let first = header[0].trim();
    if !FILE_COLUMNS
        .iter()
        .any(|name| first.eq_ignore_ascii_case(name))
    {
        return Err(format!("{HEADER}; its first column is \"{first}\"."));
    }
    let mut columns: Vec<(String, [Option<usize>; 2])> = Vec::new();
    for (column, cell) in header.iter().enumerate().skip(1) {
        let cell = cell.trim();
        let found = (["_x", "_y"].iter().enumerate()).find_map(|(axis, end)| {
            Some((
                axis,
                cell.strip_suffix(end)
                    .filter(|name| !name.trim().is_empty())?,
            ))
        });
        let Some((axis, name)) = found else {
            if !cell.is_empty() {
                tally.add("Columns that are not coordinates were ignored", cell);
            }
            continue;
        };
        let at = columns
            .iter()
            .position(|(known, _)| known == name)
            .unwrap_or_else(|| {
                columns.push((name.to_string(), [None; 2]));
                columns.len() - 1
            });
        match columns[at].1[axis] {
            Some(_) => tally.add(
                "Duplicate columns were ignored (the first of each was used)",
                cell,
            ),
            None => columns[at].1[axis] = Some(column),
        }
    }
    let mut pairs = Vec::new();
    for (name, axes) in columns {
        match axes {
            [Some(x), Some(y)] => pairs.push((name, [x, y])),
            _ => tally.add("Columns with only one of x and y were ignored", &name),
        }
    }
    if pairs.is_empty() {
        return Err(format!(
            "{HEADER}; none of its {} columns form such a pair.",
            header.len()
        ));
    }
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_csv_reads_names_and_positions() {
        let text = "\u{feff}file,wrist_x,wrist_y,tip_x,tip_y\r\n0/a.jpg,0.5,0.25,1,-0.01\r\n\r\n\"b, c.jpg\",0,0,1e-1,.5\r\n";
        let landmarks = Landmarks::from_csv(text).expect("a table");
        assert_eq!(landmarks.names, ["wrist", "tip"]);
        assert_eq!(
            landmarks.rows[0],
            (
                "0/a.jpg".into(),
                vec![Some([0.5, 0.25]), Some([1.0, -0.01])]
            )
        );
        assert_eq!(
            landmarks.rows[1],
            ("b, c.jpg".into(), vec![Some([0.0, 0.0]), Some([0.1, 0.5])])
        );
    }

    /// Reads a table; returns its notes as one text.
    fn read_table(text: &str) -> (Landmarks, String) {
        let mut notes = Vec::new();
        let landmarks = Landmarks::read(text, &mut notes).expect("a table");
        (landmarks, notes.join("\n"))
    }

    #[test]
    fn read_accepts_tables_of_other_programs() {
        let (blank, notes) =
            read_table("file,tip_x,tip_y,ear_x,ear_y\na.png,0.5,0.5,,\nb.png,0.4,0.5,0.2,0.2\n");
        assert_eq!(blank.rows[0].1, [Some([0.5, 0.5]), None]);
        assert_eq!(notes, "");
        let (quoted, notes) = read_table(
            "\"file\",\"nose, \"\"left\"\"_x\",\"nose, \"\"left\"\"_y\"\n\"a.png\",\"0.5\",\"0.25\"\n",
        );
        assert_eq!(quoted.names, ["nose, \"left\""]);
        assert_eq!(quoted.rows[0].1, [Some([0.5, 0.25])]);
        assert_eq!(notes, "");
        let (trailing, notes) =
            read_table("file,tip_x,tip_y,\na.png,0.5,0.5,\nb.png,0.5,0.5\nc.png,0.5,0.5,,,\n");
        assert_eq!((trailing.names.len(), trailing.rows.len()), (1, 3));
        assert_eq!(notes, "");
        let (extra, notes) =
            read_table("file,tip_x,score,tip_y,ear_x,tip_x\na.png,0.5,9,0.25,1,77\n");
        assert_eq!(extra.names, ["tip"]);
        assert_eq!(extra.rows[0].1, [Some([0.5, 0.25])]);
        for part in [
            "not coordinates were ignored: 1, score",
            "only one of x and y were ignored: 1, ear",
            "columns were ignored (the first of each was used): 1, tip_x",
        ] {
            assert!(notes.contains(part), "{part}: {notes}");
        }
        let (_, notes) = read_table("file;tip_x;tip_y\na.png;0,5;0,25\n");
        assert!(notes.contains("semicolons"), "{notes}");
    }

    #[test]
    fn read_notes_what_it_cannot_use() {
        for (line, position, part) in [
            ("c,0.1", None, "count as absent: 1, a in line 3"),
            (
                "c,0.1,x",
                None,
                "not numbers count as blank: 1, \"x\" in line 3",
            ),
            ("c,0.1,nan", None, "count as absent: 1, a in line 3"),
            ("c,,", None, "without any landmark: 1, c"),
            (
                "c,37,0.5",
                None,
                "not a fraction of the image (0 to 1) were ignored: 1, 37 in line 3",
            ),
            (
                "b,0.3,0.3",
                Some([0.1, 0.1]),
                "of an image were ignored (the first of each was used): 1, line 3",
            ),
            (
                ",0.3,0.3",
                Some([0.1, 0.1]),
                "without a file were ignored: 1, line 3",
            ),
            (
                "c,0,5,0,5",
                Some([0.1, 0.1]),
                "more cells than the header were ignored",
            ),
        ] {
            let (landmarks, notes) = read_table(&format!("file,a_x,a_y\nb,0.1,0.1\n{line}\n"));
            assert_eq!(landmarks.rows[0].1, [Some([0.1, 0.1])]);
            assert_eq!(
                landmarks.rows.last().expect("a row").1,
                [position],
                "{line}"
            );
            assert!(notes.contains(part), "{line}: {notes}");
        }
    }

    #[test]
    fn from_csv_names_the_malformed_line() {
        let cases = [
            ("", "is empty"),
            ("file,a_x,a_y\n", "no lines for images"),
            ("file,a_x,a_y\nb,,\nc,nan,0.5\n", "no image with a landmark"),
            (
                "name,a_x,a_y\nb,1,1\n",
                "Line 1 of the landmarks: the header should be",
            ),
            ("file\nb\n", "none of its 1 columns"),
            ("file,a_x,b_y\n", "none of its 3 columns"),
            (
                "file,a_x,a_y\n\nb,37,50\n",
                "Line 3 of the landmarks: 37 is not a fraction",
            ),
            ("file,a_x,a_y\nb,37,50\n", "look like pixels"),
            ("file,a_x,a_y\n\"b,0.1,0.1\n", "line 2 does not end"),
        ];
        for (text, part) in cases {
            let message = Landmarks::from_csv(text).expect_err(part).to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn from_csv_reads_the_shared_tables() {
        for (folder, names, rows) in [("hands", 21, 1811), ("faces", 68, 770)] {
            if let Some(path) = crate::needs::shared(&format!("data/{folder}/landmarks.csv")) {
                let text = std::fs::read_to_string(path).expect("text");
                let landmarks = Landmarks::from_csv(&text).expect("a table");
                assert_eq!((landmarks.names.len(), landmarks.rows.len()), (names, rows));
            }
        }
    }
}
