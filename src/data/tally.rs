//! Counts the parts of a file that could not be used: one sentence per cause, however often it occurs.

use crate::error::legible;

/// Number of unusable parts by cause, with an example of each.
#[derive(Debug, Default)]
pub(crate) struct Tally(Vec<(String, usize, String)>);

impl Tally {
    /// Counts one more part with this cause; the first `example` of a cause is kept.
    pub(crate) fn add(&mut self, what: &str, example: &str) {
        match self.0.iter_mut().find(|(known, ..)| known == what) {
            Some((_, count, _)) => *count += 1,
            None => self
                .0
                .push((what.into(), 1, example.chars().take(200).collect())),
        }
    }

    /// Returns one sentence per cause: "Annotations of crowds were ignored: 3, for example annotation 7."
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
    fn notes_have_one_sentence_per_cause() {
        let mut tally = Tally::default();
        tally.add("Crowds were ignored", "annotation 7");
        tally.add("Boxes were ignored", "annotation 8");
        tally.add("Crowds were ignored", "annotation 9");
        assert_eq!(
            tally.notes(),
            [
                "Crowds were ignored: 2, for example annotation 7.",
                "Boxes were ignored: 1, annotation 8."
            ]
        );
    }
}
