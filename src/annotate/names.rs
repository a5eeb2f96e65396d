//! Images matched by the names that files of labels give them.

use std::collections::HashMap;

use percent_encoding::percent_decode_str;

use super::formats;
use crate::data::nfc::nfc;

/// Stands for an extension that a format does not hold: `a.*` is `a.jpg` or `a.png`, if only one of them is here.
pub(crate) const ANY_EXTENSION: &str = ".*";

/// The folders and the file of a name.
type PathParts = Vec<String>;

/// Finds the index of the image that a path means, if there is exactly one.
type Lookup<'a> = Box<dyn Fn(&PathParts) -> Option<usize> + 'a>;

/// The tolerance of a match of two names.
#[derive(Clone, Copy, PartialEq)]
enum Fold {
    /// Only in Unicode normalisation and the kind of slash.
    Exact,
    /// In case, too.
    Case,
    /// In case, and in the zeros before the file's number: DeepLabCut's `img007.png` is `img000007.png`.
    Padding,
}

/// Finds for each of `wanted` the index of the same image in `names`. In this order, it is the image with the same path; with the
/// same path in another case; with the path that an export would have written for it; the one whose path ends in the other's
/// (`set1/a.png` is `labeled-data/set1/a.png`), folder by folder, the longest common end first; the one that differs in the
/// zeros before its number.
///
/// Nothing is guessed: where two of `names` fit equally well, or two different paths of `wanted` fit the same image, or
/// another path is that image's own, there is no match. URLs count as their path.
///
/// ```
/// let names = ["set1/a.png".to_string(), "b.png".to_string()];
/// let wanted = ["labeled-data/set1/a.png".to_string(), "c.png".to_string()];
/// assert_eq!(autolink::annotate::match_names(&wanted, &names), [Some(0), None]);
/// ```
pub fn match_names(wanted: &[String], names: &[String]) -> Vec<Option<usize>> {
    let mut found = vec![None; wanted.len()];
    for is_any in [false, true] {
        let indices: Vec<usize> = (0..wanted.len())
            .filter(|&i| wanted[i].ends_with(ANY_EXTENSION) == is_any)
            .collect();
        if indices.is_empty() {
            continue;
        }
        let end = |name: &str| match is_any {
            true => format!("{}{ANY_EXTENSION}", super::without_extension(name)),
            false => name.to_string(),
        };
        let theirs: Vec<PathParts> = indices.iter().map(|&i| parse_path(&wanted[i])).collect();
        let ours: Vec<PathParts> = names.iter().map(|name| split(&end(name))).collect();
        let aliases: Vec<Vec<PathParts>> = (names.iter())
            .map(|name| {
                formats::written_names(name)
                    .iter()
                    .map(|alias| split(&end(alias)))
                    .collect()
            })
            .collect();
        for (i, at) in indices
            .into_iter()
            .zip(match_paths(&theirs, &ours, &aliases))
        {
            found[i] = at;
        }
    }
    found
}

/// Splits the `wanted` names that [`match_names`] left without a match in two: those that fit some of `names`, which it left as well,
/// because several images are called so or one image is called by several names; and those of images that are not here.
pub(crate) fn split_ambiguous<'a>(
    wanted: Vec<&'a String>,
    names: &[&String],
) -> (Vec<&'a String>, Vec<&'a String>) {
    let names: Vec<PathParts> = names.iter().map(|name| split(name)).collect();
    let by_file = index_files(&names, Fold::Case);
    let fits = |wanted: &str| {
        let path = fold_path(&parse_path(wanted), Fold::Case);
        let candidates = path.last().and_then(|file| by_file.get(file));
        candidates.is_some_and(|candidates| {
            (candidates.iter()).any(|(_, other)| other.ends_with(&path) || path.ends_with(other))
        })
    };
    wanted.into_iter().partition(|wanted| fits(wanted))
}

fn match_paths(
    theirs: &[PathParts],
    ours: &[PathParts],
    aliases: &[Vec<PathParts>],
) -> Vec<Option<usize>> {
    let mut found: Vec<Option<usize>> = vec![None; theirs.len()];
    let mut is_claimed = vec![false; ours.len()];
    for fold in [Fold::Exact, Fold::Case] {
        let by_path = index_paths(ours.iter().map(std::slice::from_ref), fold);
        for (found, path) in found
            .iter_mut()
            .zip(theirs)
            .filter(|(found, _)| found.is_none())
        {
            *found = by_path.get(&fold_path(path, fold)).copied().flatten();
            if let Some(at) = *found {
                is_claimed[at] = true;
            }
        }
    }
    let attempts = [
        (Fold::Exact, MatchBy::Alias),
        (Fold::Case, MatchBy::Alias),
        (Fold::Exact, MatchBy::End),
        (Fold::Case, MatchBy::End),
        (Fold::Padding, MatchBy::Whole),
        (Fold::Padding, MatchBy::Alias),
        (Fold::Padding, MatchBy::End),
    ];
    for (fold, by) in attempts {
        let unmatched: Vec<usize> = (0..theirs.len()).filter(|&i| found[i].is_none()).collect();
        if unmatched.is_empty() {
            break;
        }
        let lookup: Lookup = match by {
            MatchBy::Whole | MatchBy::Alias => {
                let by_path = match by {
                    MatchBy::Alias => index_paths(aliases.iter().map(Vec::as_slice), fold),
                    _ => index_paths(ours.iter().map(std::slice::from_ref), fold),
                };
                Box::new(move |path| by_path.get(path).copied().flatten())
            }
            MatchBy::End => {
                let by_file = index_files(ours, fold);
                Box::new(move |path| longest_common_end(path, by_file.get(path.last()?)?))
            }
        };
        // For each image, the only path that claims it; none once there is a second.
        let mut claims: HashMap<usize, Option<PathParts>> = HashMap::new();
        let mut candidates: Vec<(usize, usize)> = Vec::new();
        for i in unmatched {
            let path = fold_path(&theirs[i], fold);
            let Some(at) = lookup(&path).filter(|at| !is_claimed[*at]) else {
                continue;
            };
            candidates.push((i, at));
            let claim = claims.entry(at).or_insert_with(|| Some(path.clone()));
            if claim.as_ref().is_some_and(|other| *other != path) {
                *claim = None;
            }
        }
        for (i, at) in candidates {
            if claims.get(&at).is_some_and(Option::is_some) {
                found[i] = Some(at);
                is_claimed[at] = true;
            }
        }
    }
    found
}

/// A way to look up a path.
#[derive(Clone, Copy)]
enum MatchBy {
    /// Among the paths of the images.
    Whole,
    /// Among the paths that exports write for them.
    Alias,
    /// By a common end of both paths.
    End,
}

/// Maps folded paths to images; none where two images share a path.
fn index_paths<'a>(
    paths: impl Iterator<Item = &'a [PathParts]>,
    fold: Fold,
) -> HashMap<PathParts, Option<usize>> {
    let mut by_path: HashMap<PathParts, Option<usize>> = HashMap::new();
    for (i, paths) in paths.enumerate() {
        for path in paths {
            let at = by_path.entry(fold_path(path, fold)).or_insert(Some(i));
            if *at != Some(i) {
                *at = None;
            }
        }
    }
    by_path
}

/// Maps the folded file name alone to images with their folded paths.
fn index_files(paths: &[PathParts], fold: Fold) -> HashMap<String, Vec<(usize, PathParts)>> {
    let mut by_file: HashMap<String, Vec<(usize, PathParts)>> = HashMap::new();
    for (i, path) in paths.iter().enumerate() {
        let path = fold_path(path, fold);
        if let Some(file) = path.last() {
            by_file.entry(file.clone()).or_default().push((i, path));
        }
    }
    by_file
}

/// Finds the candidate that has the longest end in common with `path`, if one of the two is that end as a whole.
fn longest_common_end(path: &[String], candidates: &[(usize, PathParts)]) -> Option<usize> {
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

fn fold_path(path: &[String], fold: Fold) -> PathParts {
    let mut path: PathParts = match fold {
        Fold::Exact => path.to_vec(),
        Fold::Case | Fold::Padding => path.iter().map(|part| part.to_lowercase()).collect(),
    };
    if let (Fold::Padding, Some(file)) = (fold, path.last_mut()) {
        *file = without_padding(file);
    }
    path
}

/// Removes leading zeros from the last number before the extension: `img007.png` -> `img7.png`.
fn without_padding(file: &str) -> String {
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

/// Parses the path of a name that may be a URL: without its host and its query, and percent-decoded.
fn parse_path(name: &str) -> PathParts {
    let decoded = |path: &str| percent_decode_str(path).decode_utf8_lossy().into_owned();
    // Label Studio's local files.
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

fn split(name: &str) -> PathParts {
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
    fn match_names_uses_the_end_of_paths() {
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
    fn match_names_ignores_case_and_unicode_form() {
        assert_eq!(found(&["u\u{308}.png"], &["x/ü.png"]), [Some(0)]);
        assert_eq!(found(&["ü.png"], &["u\u{308}.png"]), [Some(0)]);
        assert_eq!(found(&["Set/A.PNG"], &["set/a.png"]), [Some(0)]);
        assert_eq!(found(&["A.PNG"], &["set/a.png"]), [Some(0)]);
        // Only where the match is unique.
        assert_eq!(found(&["A.png"], &["a.png", "a.PNG"]), [None]);
        assert_eq!(
            found(&["a.png", "A.png"], &["A.png", "a.png"]),
            [Some(1), Some(0)]
        );
    }

    #[test]
    fn match_names_leaves_ambiguous_names_unmatched() {
        assert_eq!(found(&["a.png"], &["s1/a.png", "s2/a.png"]), [None]);
        assert_eq!(found(&["s1/a.png", "s2/a.png"], &["a.png"]), [None, None]);
        // The image has a name of its own in the file.
        assert_eq!(found(&["sub/c.png", "c.png"], &["c.png"]), [None, Some(0)]);
        // A path that occurs twice is the same image twice.
        assert_eq!(
            found(&["t/a.png", "t/a.png"], &["a.png"]),
            [Some(0), Some(0)]
        );
        assert_eq!(found(&["", "/", "."], &["a.png"]), [None, None, None]);
    }

    #[test]
    fn match_names_ignores_zeros_of_frame_numbers() {
        let names = ["cam1/walk.v2/img000007.png", "cam1/walk.v2/img000070.png"];
        let wanted = [
            "labeled-data/cam1-walk.v2/img0070.png",
            "walk.v2/img7.png",
            "walk.v2/img8.png",
        ];
        assert_eq!(found(&wanted, &names), [Some(1), Some(0), None]);
        assert_eq!(found(&["img7.png"], &["img07.png", "img007.png"]), [None]);
        assert_eq!(without_padding("img000.png"), "img0.png");
        assert_eq!(without_padding("a1b002c.png"), "a1b2c.png");
        assert_eq!(without_padding("größe.png"), "größe.png");
    }

    #[test]
    fn match_names_uses_the_path_of_urls() {
        let names = ["set 1/a.png"];
        for wanted in [
            "https://example.org/x/set%201/a.png?size=3#top",
            "s3://bucket/set%201/a.png",
            "/data/local-files/?d=set%201/a.png",
            "C:\\pics\\set 1\\a.png",
        ] {
            assert_eq!(found(&[wanted], &names), [Some(0)], "{wanted}");
        }
        // A percent sign in a file's name stays.
        assert_eq!(
            found(&["100%25.png"], &["100%.png", "100%25.png"]),
            [Some(1)]
        );
    }

    #[test]
    fn match_names_completes_unknown_extensions() {
        let names = ["a.jpg", "b.v2.png", "c.png", "c.jpg"];
        assert_eq!(
            found(&["a.*", "b.v2.*", "c.*", "d.*"], &names),
            [Some(0), Some(1), None, None]
        );
    }

    #[test]
    fn match_names_knows_exported_paths() {
        let names = ["day/set1/x.png", "images/c.png", "x.png"];
        let wanted = [
            "labeled-data/day-set1/x.png",
            "pictures/c.*",
            "labeled-data/pictures/x.png",
        ];
        assert_eq!(found(&wanted, &names), [Some(0), Some(1), Some(2)]);
    }
}
