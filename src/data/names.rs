//! The one rule for the names of images, on the command line and on the page.
//!
//! The name of an image is its path below the folder or zip that was given: `walk/001.png` of `photos`, or of `photos.zip`. Where two
//! names would be equal, they are extended by as many parts of the path as they need to differ: the zip's name, then the folder's.
//! Names are Unicode-normalised (NFC), because systems that decompose them would give one image two names.

use std::collections::{HashMap, HashSet};

use crate::data::nfc::nfc;

/// Path that an image comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Parts of the path, as far up as it is known; a zip is a part like a folder.
    parts: Vec<String>,
    /// Number of last parts that are the name, if no other image has that name.
    name_parts: usize,
    /// Number of last parts that a person needs to find the image.
    path_parts: usize,
}

impl Origin {
    /// Creates the origin of an image at `path` below (or in) `given`, both with `/` between their parts; `given` may be empty.
    pub fn new(given: &str, path: &str) -> Origin {
        let (mut all, path) = (parts(given), parts(path));
        let count = path.len();
        all.extend(path);
        Origin {
            parts: all,
            name_parts: count,
            path_parts: count,
        }
    }

    /// Creates the origin of an image at `path` in the zip at `zip` below `given`.
    pub fn in_zip(given: &str, zip: &str, path: &str) -> Origin {
        let whole = Origin::new(given, &format!("{zip}/{path}"));
        Origin {
            name_parts: parts(path).len(),
            ..whole
        }
    }

    /// Makes [`Origin::path`] return all known parts.
    pub fn with_full_path(self) -> Origin {
        let path_parts = self.parts.len();
        Origin { path_parts, ..self }
    }

    /// Returns the path below what was given, with that of the zip.
    pub fn path(&self) -> String {
        self.last(self.path_parts)
    }

    /// Returns the name of the image, if no other has it.
    pub fn name(&self) -> String {
        self.last(self.name_parts)
    }

    /// Joins the last `parts` parts of the path.
    fn last(&self, parts: usize) -> String {
        self.parts[self.parts.len().saturating_sub(parts)..].join("/")
    }
}

/// Splits a path into its parts, normalised.
fn parts(path: &str) -> Vec<String> {
    let named = path.split('/').filter(|part| !["", "."].contains(part));
    named.map(|part| nfc(part).into_owned()).collect()
}

/// Number of rounds that add one more part to equal names; after those, all parts are added.
const MAX_ROUNDS: usize = 32;

/// Names images so that all names differ from each other, and from those for which `taken` returns true.
///
/// Images with the same path, which zips may hold, get numbers: `a.png`, `a (2).png`.
///
/// ```
/// use autolink::data::names::{Origin, unique_names};
///
/// let [one, two] = ["s1", "s2"].map(|folder| Origin::new(folder, "a.png"));
/// assert_eq!(unique_names(&[&one, &two], |_| false), ["s1/a.png", "s2/a.png"]);
/// ```
pub fn unique_names(origins: &[&Origin], taken: impl Fn(&str) -> bool) -> Vec<String> {
    let mut parts: Vec<usize> = origins.iter().map(|origin| origin.name_parts).collect();
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
                    parts[i] = if round < MAX_ROUNDS {
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
    // Last number that each name got, and the names that are used.
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

/// Adds a number to a name.
///
/// ```
/// assert_eq!(autolink::data::names::with_number("walk/a.png", 2), "walk/a (2).png");
/// ```
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

    fn names(files: &[(&str, &str)]) -> Vec<String> {
        let origins: Vec<Origin> = files
            .iter()
            .map(|(given, path)| Origin::new(given, path))
            .collect();
        unique_names(&origins.iter().collect::<Vec<_>>(), |_| false)
    }

    #[test]
    fn name_is_the_path_below_what_was_given() {
        assert_eq!(
            names(&[("/home/me/s1", "img.png"), ("/home/me/s1", "more/img.png")]),
            ["img.png", "more/img.png"]
        );
        assert_eq!(
            names(&[("/home/me/z.zip", "a/b.png"), ("", "./c.png")]),
            ["a/b.png", "c.png"]
        );
    }

    #[test]
    fn unique_names_extends_only_equal_names() {
        let two = [
            ("/me/s1", "img.png"),
            ("/me/s2", "img.png"),
            ("/me/s2", "x.png"),
        ];
        assert_eq!(names(&two), ["s1/img.png", "s2/img.png", "x.png"]);
        assert_eq!(
            names(&[("/me/a/s", "1.png"), ("/me/b/s", "1.png")]),
            ["a/s/1.png", "b/s/1.png"]
        );
        assert_eq!(
            names(&[("/me/f/one.zip", "1.png"), ("/me/f/two.zip", "1.png")]),
            ["one.zip/1.png", "two.zip/1.png"]
        );
        // An extended name may equal another name, too.
        let three = [("/s1", "img.png"), ("/s2", "img.png"), ("/t", "s1/img.png")];
        let names = names(&three);
        assert_eq!(names, ["s1/img.png", "s2/img.png", "t/s1/img.png"]);
    }

    #[test]
    fn unique_names_numbers_equal_paths() {
        assert_eq!(
            names(&[
                ("z.zip", "a.png"),
                ("z.zip", "a.png"),
                ("z.zip", "a (2).png")
            ]),
            ["a.png", "a (3).png", "a (2).png"]
        );
        assert_eq!(
            names(&[("", "a.png"), ("s", "a.png")]),
            ["a.png", "s/a.png"]
        );
        assert_eq!(with_number("d.e/f", 2), "d.e/f (2)");
        assert_eq!(with_number("d.e/.png", 2), "d.e/.png (2)");
    }

    #[test]
    fn unique_names_avoids_taken_names() {
        let origins = [Origin::new("s", "a.png"), Origin::new("", "b.png")];
        assert_eq!(
            unique_names(&origins.each_ref(), |name| ["a.png", "b.png"]
                .contains(&name)),
            ["s/a.png", "b (2).png"]
        );
    }

    #[test]
    fn unique_names_composes_unicode() {
        assert_eq!(
            names(&[("", "Gro\u{308}ße.png"), ("", "Größe.png")]),
            ["Größe.png", "Größe (2).png"]
        );
    }
}
