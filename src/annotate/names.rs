//! Which image here is meant by a name in a file of labels.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::formats;
use crate::data::nfc::nfc;

/// Behind a name whose extension a format does not hold: `a.*` is `a.jpg` or `a.png`, if only one of them is here.
pub(crate) const ANY_EXTENSION: &str = ".*";

/// A name's folders and file.
type Path = Vec<String>;

/// Which of our images a path is, if one alone.
type Place<'a> = Box<dyn Fn(&Path) -> Option<usize> + 'a>;

/// How much names may differ and still be the same.
#[derive(Clone, Copy, PartialEq)]
enum Fold {
    /// Not at all, but for Unicode's form and the kind of slash.
    Exact,
    /// In upper and lower case.
    Case,
    /// In case, and in the zeros before the file's number: DeepLabCut's `img007.png` is `img000007.png`.
    Padding,
}

/// For each of `wanted`, which of `names` is the same image, in this order: the one with the same path; with the same path in
/// another case; with the path that an export would have written for it; the one whose path ends in the other's
/// (`set1/a.png` is `labeled-data/set1/a.png`), folder by folder, the longest common end first; the one that differs in the
/// zeros before its number.
///
/// Nothing is guessed: where two of `names` fit equally well, or two different paths of `wanted` fit the same image, or
/// another path is that image's own, there is no match. Addresses count as the path in them.
pub fn match_names(wanted: &[String], names: &[String]) -> Vec<Option<usize>> {
    let mut found = vec![None; wanted.len()];
    for is_any in [false, true] {
        let asked: Vec<usize> = (0..wanted.len())
            .filter(|&i| wanted[i].ends_with(ANY_EXTENSION) == is_any)
            .collect();
        if asked.is_empty() {
            continue;
        }
        let end = |name: &str| match is_any {
            true => format!("{}{ANY_EXTENSION}", super::without_extension(name)),
            false => name.to_string(),
        };
        let theirs: Vec<Path> = asked.iter().map(|&i| path_of(&wanted[i])).collect();
        let ours: Vec<Path> = names.iter().map(|name| split(&end(name))).collect();
        let aliases: Vec<Vec<Path>> = (names.iter())
            .map(|name| {
                formats::written_names(name)
                    .iter()
                    .map(|alias| split(&end(alias)))
                    .collect()
            })
            .collect();
        for (i, at) in asked.into_iter().zip(match_paths(&theirs, &ours, &aliases)) {
            found[i] = at;
        }
    }
    found
}

fn match_paths(theirs: &[Path], ours: &[Path], aliases: &[Vec<Path>]) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> = vec![None; theirs.len()];
    let mut is_claimed = vec![false; ours.len()];
    for fold in [Fold::Exact, Fold::Case] {
        let by_path = whole(ours.iter().map(std::slice::from_ref), fold);
        for (found, path) in found
            .iter_mut()
            .zip(theirs)
            .filter(|(found, _)| found.is_none())
        {
            *found = by_path.get(&folded(path, fold)).copied().flatten();
            if let Some(at) = *found {
                is_claimed[at] = true;
            }
        }
    }
    let ways = [
        (Fold::Exact, Way::Alias),
        (Fold::Case, Way::Alias),
        (Fold::Exact, Way::End),
        (Fold::Case, Way::End),
        (Fold::Padding, Way::Whole),
        (Fold::Padding, Way::Alias),
        (Fold::Padding, Way::End),
    ];
    for (fold, way) in ways {
        let left: Vec<usize> = (0..theirs.len()).filter(|&i| found[i].is_none()).collect();
        if left.is_empty() {
            break;
        }
        let place: Place = match way {
            Way::Whole | Way::Alias => {
                let by_path = match way {
                    Way::Alias => whole(aliases.iter().map(Vec::as_slice), fold),
                    _ => whole(ours.iter().map(std::slice::from_ref), fold),
                };
                Box::new(move |path| by_path.get(path).copied().flatten())
            }
            Way::End => {
                let by_file = by_file(ours, fold);
                Box::new(move |path| longest_end(path, by_file.get(path.last()?)?))
            }
        };
        // Of each image here, the one path that it seems to be; none once there is a second.
        let mut claims: HashMap<usize, Option<Path>> = HashMap::new();
        let mut seems: Vec<(usize, usize)> = Vec::new();
        for i in left {
            let path = folded(&theirs[i], fold);
            let Some(at) = place(&path).filter(|at| !is_claimed[*at]) else {
                continue;
            };
            seems.push((i, at));
            let claim = claims.entry(at).or_insert_with(|| Some(path.clone()));
            if claim.as_ref().is_some_and(|other| *other != path) {
                *claim = None;
            }
        }
        for (i, at) in seems {
            if claims.get(&at).is_some_and(Option::is_some) {
                found[i] = Some(at);
                is_claimed[at] = true;
            }
        }
    }
    found
}

/// Where a path is looked for.
#[derive(Clone, Copy)]
enum Way {
    /// Among the paths here.
    Whole,
    /// Among the paths that exports write.
    Alias,
    /// Among the ends of paths here, or the other way round.
    End,
}

/// Images by their folded paths; none where two images share one.
fn whole<'a>(paths: impl Iterator<Item = &'a [Path]>, fold: Fold) -> HashMap<Path, Option<usize>> {
    let mut by_path: HashMap<Path, Option<usize>> = HashMap::new();
    for (i, paths) in paths.enumerate() {
        for path in paths {
            let at = by_path.entry(folded(path, fold)).or_insert(Some(i));
            if *at != Some(i) {
                *at = None;
            }
        }
    }
    by_path
}

/// Images with their folded paths, by the folded name of the file alone.
fn by_file(paths: &[Path], fold: Fold) -> HashMap<String, Vec<(usize, Path)>> {
    let mut by_file: HashMap<String, Vec<(usize, Path)>> = HashMap::new();
    for (i, path) in paths.iter().enumerate() {
        let path = folded(path, fold);
        if let Some(file) = path.last() {
            by_file.entry(file.clone()).or_default().push((i, path));
        }
    }
    by_file
}

/// The one of `candidates` that has the longest end in common with `path`, if one of the two is all of that end.
fn longest_end(path: &[String], candidates: &[(usize, Path)]) -> Option<usize> {
    let common = |other: &[String]| {
        (other.ends_with(path) || path.ends_with(other)).then(|| other.len().min(path.len()))
    };
    let fitting = || {
        candidates
            .iter()
            .filter_map(|(i, other)| Some((common(other)?, *i)))
    };
    let longest = fitting().map(|(length, _)| length).max()?;
    let mut best = fitting().filter(|(length, _)| *length == longest);
    match (best.next(), best.next()) {
        (Some((_, i)), None) => Some(i),
        _ => None,
    }
}

fn folded(path: &[String], fold: Fold) -> Path {
    let mut path: Path = match fold {
        Fold::Exact => path.to_vec(),
        Fold::Case | Fold::Padding => path.iter().map(|part| part.to_lowercase()).collect(),
    };
    if let (Fold::Padding, Some(file)) = (fold, path.last_mut()) {
        *file = unpadded(file);
    }
    path
}

/// `img007.png` -> `img7.png`: the last number before the extension, without its leading zeros.
fn unpadded(file: &str) -> String {
    let stem = super::without_extension(file);
    let Some(end) = stem
        .rfind(|c: char| c.is_ascii_digit())
        .map(|last| last + 1)
    else {
        return file.to_string();
    };
    let start = stem[..end]
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .len();
    let number = stem[start..end].trim_start_matches('0');
    let number = if number.is_empty() { "0" } else { number };
    format!("{}{number}{}", &stem[..start], &file[end..])
}

/// The path of a name that may be an address: without its host, its query and its percent signs.
fn path_of(name: &str) -> Path {
    let decoded = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
    // Label Studio's files on its own machine.
    if let Some((_, path)) = name.split_once("?d=") {
        return split(&decoded(path));
    }
    match name.split_once("://") {
        Some((_, rest)) => {
            let path = rest.split_once('/').map_or(rest, |(_host, path)| path);
            split(&decoded(path.split(['?', '#']).next().unwrap_or(path)))
        }
        None => split(name),
    }
}

fn split(name: &str) -> Path {
    nfc(name)
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_string)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: &[&str], names: &[&str]) -> Vec<Option<usize>> {
        let owned = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.to_string())
                .collect::<Vec<_>>()
        };
        match_names(&owned(wanted), &owned(names))
    }

    #[test]
    fn images_are_found_by_the_end_of_their_path() {
        let names = ["pics.zip/set1/a.png", "set2/a.png", "b.png", "x/c.png"];
        let wanted = [
            "set2/a.png",
            "labeled-data/b.png",
            "a.png",
            "set1\\a.png",
            "none.png",
            "c.png",
        ];
        assert_eq!(
            found(&wanted, &names),
            [Some(1), Some(2), None, Some(0), None, Some(3)]
        );
        // The longest common end.
        assert_eq!(
            found(&["labeled-data/s/a.png"], &["a.png", "s/a.png"]),
            [Some(1)]
        );
    }

    #[test]
    fn unicode_and_case_do_not_part_names() {
        assert_eq!(found(&["u\u{308}.png"], &["x/ü.png"]), [Some(0)]);
        assert_eq!(found(&["ü.png"], &["u\u{308}.png"]), [Some(0)]);
        assert_eq!(found(&["Set/A.PNG"], &["set/a.png"]), [Some(0)]);
        assert_eq!(found(&["A.PNG"], &["set/a.png"]), [Some(0)]);
        // Only where it is clear.
        assert_eq!(found(&["A.png"], &["a.png", "a.PNG"]), [None]);
        assert_eq!(
            found(&["a.png", "A.png"], &["A.png", "a.png"]),
            [Some(1), Some(0)]
        );
    }

    #[test]
    fn what_is_not_clear_is_not_guessed() {
        assert_eq!(found(&["a.png"], &["s1/a.png", "s2/a.png"]), [None]);
        assert_eq!(found(&["s1/a.png", "s2/a.png"], &["a.png"]), [None, None]);
        // The image has a name of its own in the file.
        assert_eq!(found(&["sub/c.png", "c.png"], &["c.png"]), [None, Some(0)]);
        // A row that is there twice is the same image twice.
        assert_eq!(
            found(&["t/a.png", "t/a.png"], &["a.png"]),
            [Some(0), Some(0)]
        );
        assert_eq!(found(&["", "/", "."], &["a.png"]), [None, None, None]);
    }

    #[test]
    fn frames_are_found_whatever_their_padding() {
        let names = ["cam1/walk.v2/img000007.png", "cam1/walk.v2/img000070.png"];
        let wanted = [
            "labeled-data/cam1-walk.v2/img0070.png",
            "walk.v2/img7.png",
            "walk.v2/img8.png",
        ];
        assert_eq!(found(&wanted, &names), [Some(1), Some(0), None]);
        assert_eq!(found(&["img7.png"], &["img07.png", "img007.png"]), [None]);
        assert_eq!(unpadded("img000.png"), "img0.png");
        assert_eq!(unpadded("a1b002c.png"), "a1b2c.png");
        assert_eq!(unpadded("größe.png"), "größe.png");
    }

    #[test]
    fn addresses_are_their_paths() {
        let names = ["set 1/a.png"];
        for wanted in [
            "https://example.org/x/set%201/a.png?size=3#top",
            "s3://bucket/set%201/a.png",
            "/data/local-files/?d=set%201/a.png",
            "C:\\pics\\set 1\\a.png",
        ] {
            assert_eq!(found(&[wanted], &names), [Some(0)], "{wanted}");
        }
        // A percent sign in a file's name is one.
        assert_eq!(
            found(&["100%25.png"], &["100%.png", "100%25.png"]),
            [Some(1)]
        );
    }

    #[test]
    fn a_name_without_its_extension_is_found_if_there_is_one() {
        let names = ["a.jpg", "b.v2.png", "c.png", "c.jpg"];
        assert_eq!(
            found(&["a.*", "b.v2.*", "c.*", "d.*"], &names),
            [Some(0), Some(1), None, None]
        );
    }

    #[test]
    fn what_exports_write_is_found() {
        let names = ["day/set1/x.png", "images/c.png", "x.png"];
        let wanted = [
            "labeled-data/day-set1/x.png",
            "pictures/c.*",
            "labeled-data/pictures/x.png",
        ];
        assert_eq!(found(&wanted, &names), [Some(0), Some(1), Some(2)]);
    }
}
