//! Reads the YAML of `config.yaml` (DeepLabCut) and `data.yaml` (Ultralytics).

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

use super::ReadResult;

/// Greatest depth of nested values.
const MAX_DEPTH: usize = 64;

/// Greatest number of values that aliases may stand for in a document. Without a limit, a few lines of aliases fill the memory.
const MAX_ALIASED: usize = 100_000;

/// Parses the first document of a text. Scalars are the text that stands there, also numbers; those that YAML calls null are
/// [`Value::Null`], as is an empty document. Of two equal keys the last holds, as in Python.
///
/// # Errors
/// A sentence, without the name of the file, if the text is not YAML or too nested.
pub(super) fn parse(text: &str) -> ReadResult<Value> {
    Document {
        events: Parser::new_from_str(text),
        anchors: HashMap::new(),
        aliased: 0,
    }
    .document()
}

/// A document that is being read.
struct Document<'a> {
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Values that aliases can name.
    anchors: HashMap<usize, Value>,
    /// Number of values that aliases stood for.
    aliased: usize,
}

impl<'a> Document<'a> {
    fn document(&mut self) -> ReadResult<Value> {
        loop {
            match self.next()? {
                Event::StreamEnd => return Ok(Value::Null),
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                event => return self.value(event, 0),
            }
        }
    }

    fn next(&mut self) -> ReadResult<Event<'a>> {
        match self.events.next_event() {
            Some(Ok((event, _))) => Ok(event),
            Some(Err(error)) => Err(format!(
                "Line {} is not valid YAML ({}).",
                error.marker().line(),
                error.info()
            )),
            None => Ok(Event::StreamEnd),
        }
    }

    /// Reads the value that begins with `event`.
    fn value(&mut self, event: Event<'a>, depth: usize) -> ReadResult<Value> {
        if depth > MAX_DEPTH {
            return Err(format!(
                "Its values are nested more than {MAX_DEPTH} times."
            ));
        }
        let (anchor, value) = match event {
            Event::Scalar(text, style, anchor, _) => (anchor, scalar(&text, style)),
            Event::SequenceStart(anchor, _) => {
                let mut list = Vec::new();
                loop {
                    match self.next()? {
                        Event::SequenceEnd | Event::StreamEnd => break,
                        event => list.push(self.value(event, depth + 1)?),
                    }
                }
                (anchor, Value::Array(list))
            }
            Event::MappingStart(anchor, _) => {
                let mut map = Map::new();
                loop {
                    let key = match self.next()? {
                        Event::MappingEnd | Event::StreamEnd => break,
                        event => self.value(event, depth + 1)?,
                    };
                    let event = self.next()?;
                    let value = self.value(event, depth + 1)?;
                    let key = key.as_str().map_or_else(|| key.to_string(), String::from);
                    map.insert(key, value);
                }
                (anchor, Value::Object(map))
            }
            Event::Alias(anchor) => {
                let value = self.anchors.get(&anchor).cloned().unwrap_or(Value::Null);
                self.aliased += count(&value);
                if self.aliased > MAX_ALIASED {
                    return Err(format!(
                        "Its aliases stand for more than {MAX_ALIASED} values."
                    ));
                }
                return Ok(value);
            }
            _ => (0, Value::Null),
        };
        if anchor > 0 {
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }
}

fn scalar(text: &str, style: ScalarStyle) -> Value {
    match (style, text) {
        (ScalarStyle::Plain, "" | "~" | "null" | "Null" | "NULL") => Value::Null,
        _ => text.into(),
    }
}

/// Returns the number of values in a value.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::annotate::formats::yaml_string;

    #[test]
    fn parse_reads_files_of_tools() {
        let text = "# DeepLabCut\n? C:\\a long path\n: crop: 1\nTask: my task   # comment\nscorer: 'it''s'\nvideo_sets:\n  C:\\a\\b.mp4:\n    crop: 0, 640, 0, 480\n\
                    bodyparts:\n- nose\n- \"a: \\\"b\\\" # c\"\n- 7\nskeleton:\n- - nose\n  - tail\n- [ear, \"a, b\"]\n\
                    empty: []\nnothing:\nkpt_shape: [17, 3]\nnames:\n  0: person\n  1: {a: 1, b: [x]}\n\nlast: yes\n";
        let expected = json!({
            "C:\\a long path": {"crop": "1"}, "Task": "my task", "scorer": "it's", "video_sets": {"C:\\a\\b.mp4": {"crop": "0, 640, 0, 480"}},
            "bodyparts": ["nose", "a: \"b\" # c", "7"], "skeleton": [["nose", "tail"], ["ear", "a, b"]],
            "empty": [], "nothing": null, "kpt_shape": ["17", "3"], "names": {"0": "person", "1": {"a": "1", "b": ["x"]}}, "last": "yes",
        });
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(
            parse("- a: 1\n  b: 2\n-\n  - x\n"),
            Ok(json!([{"a": "1", "b": "2"}, ["x"]]))
        );
        assert_eq!(
            parse("- [\"a: b\", {c: d}]\n- {c: d}\n"),
            Ok(json!([["a: b", {"c": "d"}], {"c": "d"}]))
        );
        assert_eq!(
            parse("a: &x [1, ~]\nb: *x\n"),
            Ok(json!({"a": ["1", null], "b": ["1", null]}))
        );
        assert_eq!(parse("a: 1\n---\nb: 2\n"), Ok(json!({"a": "1"})));
        assert_eq!(parse(""), Ok(Value::Null));
    }

    #[test]
    fn parse_rejects_invalid_and_huge_documents() {
        let error = |text: &str| parse(text).expect_err("an error");
        assert!(error("a: 1\nb: [1,\nc: 2\n").starts_with("Line "));
        assert_eq!(
            error(&"[".repeat(100)),
            "Its values are nested more than 64 times."
        );
        let mut bomb = String::from("a0: &a0 [x, x]\n");
        for i in 1..40 {
            bomb += &format!("a{i}: &a{i} [*a{0}, *a{0}]\n", i - 1);
        }
        assert_eq!(
            error(&bomb),
            "Its aliases stand for more than 100000 values."
        );
    }

    proptest! {
        #[test]
        fn parse_restores_our_strings(text in any::<String>()) {
            let document = format!("a: {0}\nb:\n- [{0}, {0}]\n", yaml_string(&text));
            prop_assert_eq!(parse(&document), Ok(json!({"a": text, "b": [[text, text]]})));
        }

        #[test]
        fn parse_never_hangs_or_panics(text in "[-a: \n\\[\\]{},\"'#\\\\xüU]{0,60}") {
            let _ = parse(&text);
        }
    }
}
