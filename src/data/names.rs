//! The one rule for the names of images, on the command line and on the page.
//!
//! An image is called by its path below what was given: `walk/001.png` of the folder `photos`, or of the zip `photos.zip`.
//! Where two would be called the same, as much is put before as tells them apart: the zip's own name, then the folder's.
//! Names are Unicode-normalised (NFC), since systems that decompose them would call one image by two names.

use std::collections::{HashMap, HashSet};

use crate::data::nfc::nfc;

/// Where an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The parts of its path, as far up as it is known; a zip is a part like a folder.
    parts: Vec<String>,
    /// How many of the last parts are its name, if no other image has that.
    own: usize,
    /// How many of the last parts a person needs to find it.
    shown: usize,
}

impl Origin {
    /// An image at `path` below (or in) `given`, both with `/` between their parts; `given` may be empty.
    pub fn new(given: &str, path: &str) -> Origin {
        let (mut all, path) = (parts(given), parts(path));
        let own = path.len();
        all.extend(path);
        Origin {
            parts: all,
            own,
            shown: own,
        }
    }

    /// An image at `path` in the zip at `zip` below `given`.
    pub fn in_zip(given: &str, zip: &str, path: &str) -> Origin {
        let whole = Origin::new(given, &format!("{zip}/{path}"));
        Origin {
            own: parts(path).len(),
            ..whole
        }
    }

    /// The same, which a person needs the whole path to find.
    pub fn shown_whole(self) -> Origin {
        let shown = self.parts.len();
        Origin { shown, ..self }
    }

    /// Its path below what was given, with that of its zip.
    pub fn path(&self) -> String {
        self.last(self.shown)
    }

    /// What it is called, if no other image is.
    pub fn name(&self) -> String {
        self.last(self.own)
    }

    /// Its path with so many parts.
    fn last(&self, parts: usize) -> String {
        self.parts[self.parts.len().saturating_sub(parts)..].join("/")
    }
}

/// The parts of a path, normalised.
fn parts(path: &str) -> Vec<String> {
    let named = path.split('/').filter(|part| !["", "."].contains(part));
    named.map(|part| nfc(part).into_owned()).collect()
}

/// After so many rounds of putting one more part before a name, all parts are.
const MOST_ROUNDS: usize = 32;

/// What each image is called: all differ from each other, and from those that `taken` says are taken.
///
/// Images of one and the same path, which zips may hold, are numbered: `a.png`, `a (2).png`.
pub fn tell_apart(origins: &[&Origin], taken: impl Fn(&str) -> bool) -> Vec<String> {
    let mut parts: Vec<usize> = origins.iter().map(|origin| origin.own).collect();
    for round in 0.. {
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (i, origin) in origins.iter().enumerate() {
            by_name.entry(origin.last(parts[i])).or_default().push(i);
        }
        let mut is_settled = true;
        for (name, same) in by_name {
            let differ = same
                .iter()
                .any(|&i| origins[i].parts != origins[same[0]].parts);
            if !differ && !taken(&name) {
                continue;
            }
            for i in same {
                let all = origins[i].parts.len();
                if parts[i] < all {
                    parts[i] = if round < MOST_ROUNDS {
                        parts[i] + 1
                    } else {
                        all
                    };
                    is_settled = false;
                }
            }
        }
        if is_settled {
            break;
        }
    }
    let plain: Vec<String> = (origins.iter().zip(&parts))
        .map(|(origin, &parts)| origin.last(parts))
        .collect();
    let unnumbered: HashSet<&str> = plain.iter().map(String::as_str).collect();
    // The last number that each name was given, and the names with numbers.
    let (mut last, mut used) = (HashMap::<&str, usize>::new(), HashSet::new());
    let mut names = Vec::with_capacity(plain.len());
    for name in &plain {
        let number = last.entry(name.as_str()).or_insert(0);
        *number += 1;
        let mut unique = name.clone();
        let is_taken = |unique: &String| {
            taken(unique)
                || used.contains(unique)
                || unique != name && unnumbered.contains(unique.as_str())
        };
        while *number > 1 || is_taken(&unique) {
            *number = 2.max(*number);
            unique = with_number(name, *number);
            if !is_taken(&unique) {
                break;
            }
            *number += 1;
        }
        used.insert(unique.clone());
        names.push(unique);
    }
    names
}

/// A name with a number behind it: `a (2).png`.
pub fn with_number(name: &str, number: usize) -> String {
    let file = name.rfind('/').map_or(0, |slash| slash + 1);
    let stem = match name[file..].rfind('.') {
        Some(dot) if dot > 0 => file + dot,
        _ => name.len(),
    };
    format!("{} ({number}){}", &name[..stem], &name[stem..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(files: &[(&str, &str)]) -> Vec<String> {
        let origins: Vec<Origin> = files
            .iter()
            .map(|(given, path)| Origin::new(given, path))
            .collect();
        tell_apart(&origins.iter().collect::<Vec<_>>(), |_| false)
    }

    #[test]
    fn a_name_is_the_path_below_what_was_given() {
        assert_eq!(
            called(&[("/home/me/s1", "img.png"), ("/home/me/s1", "more/img.png")]),
            ["img.png", "more/img.png"]
        );
        assert_eq!(
            called(&[("/home/me/z.zip", "a/b.png"), ("", "./c.png")]),
            ["a/b.png", "c.png"]
        );
    }

    #[test]
    fn only_those_that_collide_are_told_apart() {
        let two = [
            ("/me/s1", "img.png"),
            ("/me/s2", "img.png"),
            ("/me/s2", "x.png"),
        ];
        assert_eq!(called(&two), ["s1/img.png", "s2/img.png", "x.png"]);
        assert_eq!(
            called(&[("/me/a/s", "1.png"), ("/me/b/s", "1.png")]),
            ["a/s/1.png", "b/s/1.png"]
        );
        assert_eq!(
            called(&[("/me/f/one.zip", "1.png"), ("/me/f/two.zip", "1.png")]),
            ["one.zip/1.png", "two.zip/1.png"]
        );
        // What is put before may meet another name, too.
        let three = [("/s1", "img.png"), ("/s2", "img.png"), ("/t", "s1/img.png")];
        let names = called(&three);
        assert_eq!(names, ["s1/img.png", "s2/img.png", "t/s1/img.png"]);
    }

    #[test]
    fn one_path_twice_is_numbered_and_nothing_is_lost() {
        assert_eq!(
            called(&[
                ("z.zip", "a.png"),
                ("z.zip", "a.png"),
                ("z.zip", "a (2).png")
            ]),
            ["a.png", "a (3).png", "a (2).png"]
        );
        assert_eq!(
            called(&[("", "a.png"), ("s", "a.png")]),
            ["a.png", "s/a.png"]
        );
        assert_eq!(with_number("d.e/f", 2), "d.e/f (2)");
        assert_eq!(with_number("d.e/.png", 2), "d.e/.png (2)");
    }

    #[test]
    fn taken_names_are_kept_away_from() {
        let origins = [Origin::new("s", "a.png"), Origin::new("", "b.png")];
        assert_eq!(
            tell_apart(&origins.each_ref(), |name| ["a.png", "b.png"]
                .contains(&name)),
            ["s/a.png", "b (2).png"]
        );
    }

    #[test]
    fn names_are_composed() {
        assert_eq!(
            called(&[("", "Gro\u{308}ße.png"), ("", "Größe.png")]),
            ["Größe.png", "Größe (2).png"]
        );
    }
}
