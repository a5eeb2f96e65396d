//! What could not be used of a file, told in as many sentences as there are causes, however often each comes.

use crate::error::legible;

/// Counts what could not be used, by what was wrong with it, with an example of each.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(String, usize, String)>);

impl Tally {
    /// One more, of which `example` is the first's name.
    pub(crate) fn add(&mut self, what: &str, example: &str) {
        match self.0.iter_mut().find(|(known, ..)| known == what) {
            Some((_, count, _)) => *count += 1,
            None => self
                .0
                .push((what.into(), 1, example.chars().take(200).collect())),
        }
    }

    /// Sentences: "Annotations of crowds were left out: 3, for example annotation 7."
    pub(crate) fn notes(self) -> Vec<String> {
        let note = |(what, count, example): (String, usize, String)| match count {
            1 => legible(&format!("{what}: 1, {example}.")),
            _ => legible(&format!("{what}: {count}, for example {example}.")),
        };
        self.0.into_iter().map(note).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_told_once() {
        let mut tally = Tally::default();
        tally.add("Crowds were left out", "annotation 7");
        tally.add("Boxes were left out", "annotation 8");
        tally.add("Crowds were left out", "annotation 9");
        assert_eq!(
            tally.notes(),
            [
                "Crowds were left out: 2, for example annotation 7.",
                "Boxes were left out: 1, annotation 8."
            ]
        );
    }
}
