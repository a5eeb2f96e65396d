//! Parses the YAML of `config.yaml` (DeepLabCut) and `data.yaml` (Ultralytics): mappings, lists and scalars, in blocks or in brackets.
//!
//! Anchors, tags, block scalars and several documents are not read. A library for all of YAML is larger than all of these readers.

use serde_json::{Map, Value};

/// Greatest depth of nested values.
const MAX_DEPTH: usize = 64;

/// Parses a document as JSON; keys are strings, and whatever cannot be read is `null`.
pub(super) fn parse(text: &str) -> Value {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for line in text.lines() {
        let line = line.trim_end();
        let content = without_comment(line.trim_start());
        if !content.is_empty() && !content.starts_with("---") && !content.starts_with('%') {
            lines.push((line.len() - line.trim_start().len(), content.into()));
        }
    }
    lines.reverse();
    block(&mut lines, 0)
}

/// Parses the value of the next lines, which have the same indentation; `lines` are in reverse order.
fn block(lines: &mut Vec<(usize, String)>, depth: usize) -> Value {
    let Some(indent) = lines
        .last()
        .map(|line| line.0)
        .filter(|_| depth < MAX_DEPTH)
    else {
        return Value::Null;
    };
    let mut list = Vec::new();
    let mut map = Map::new();
    while let Some((at, content)) =
        lines.pop_if(|(at, content)| *at == indent && (list.is_empty() || is_item(content)))
    {
        if is_item(&content) {
            let rest = content[1..].trim_start();
            let nested = at + content.len() - rest.len();
            if rest.is_empty() {
                list.push(if lines.last().is_some_and(|next| next.0 > indent) {
                    block(lines, depth + 1)
                } else {
                    Value::Null
                });
            } else if is_item(rest) || key_of(rest).is_some() {
                lines.push((nested, rest.into()));
                list.push(block(lines, depth + 1));
            } else {
                list.push(inline(rest));
            }
            continue;
        }
        let Some((key, rest)) = key_of(&content) else {
            return if map.is_empty() {
                inline(&content)
            } else {
                Value::Object(map)
            };
        };
        let is_below =
            |next: &(usize, String)| next.0 > indent || (next.0 == indent && is_item(&next.1));
        let value = match rest {
            "" if lines.last().is_some_and(is_below) => block(lines, depth + 1),
            "" => Value::Null,
            rest => {
                let value = inline(rest);
                // Continuation lines are not read.
                while lines.pop_if(|next| next.0 > indent).is_some() {}
                value
            }
        };
        map.insert(key, value);
    }
    if list.is_empty() {
        Value::Object(map)
    } else {
        Value::Array(list)
    }
}

fn is_item(content: &str) -> bool {
    content == "-" || content.starts_with("- ")
}

/// `key: rest`.
fn key_of(content: &str) -> Option<(String, &str)> {
    let mut scanner = Scanner(content);
    let key = scanner.scalar(&[':']);
    let rest = scanner.0.strip_prefix(':')?;
    let key = key.as_str().map_or_else(|| key.to_string(), String::from);
    (rest.is_empty() || rest.starts_with(' ')).then(|| (key, rest.trim()))
}

fn inline(text: &str) -> Value {
    Scanner(text).value(&[], 0)
}

/// Returns a line without its comment.
fn without_comment(line: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in line.char_indices() {
        match quote {
            None if c == '#' && before == ' ' => return line[..at].trim_end(),
            None if matches!(c, '"' | '\'') && matches!(before, ' ' | '[' | '{' | ',') => {
                quote = Some(c)
            }
            Some(open) if c == open && !(open == '"' && before == '\\') => quote = None,
            _ => {}
        }
        // A backslash that is itself escaped escapes nothing.
        before = if before == '\\' && c == '\\' { ' ' } else { c };
    }
    line
}

/// The rest of a line.
struct Scanner<'a>(&'a str);

impl Scanner<'_> {
    fn value(&mut self, ends: &[char], depth: usize) -> Value {
        self.0 = self.0.trim_start();
        if depth > MAX_DEPTH {
            self.0 = "";
            return Value::Null;
        }
        if self.take('[') {
            let mut list = Vec::new();
            while !self.closes(']') {
                list.push(self.value(&[',', ']'], depth + 1));
            }
            return Value::Array(list);
        }
        if self.take('{') {
            let mut map = Map::new();
            while !self.closes('}') {
                let key = self.scalar(&[':', ',', '}']);
                let key = key.as_str().map_or_else(|| key.to_string(), String::from);
                let value = if self.take(':') {
                    self.value(&[',', '}'], depth + 1)
                } else {
                    Value::Null
                };
                map.insert(key, value);
            }
            return Value::Object(map);
        }
        self.scalar(ends)
    }

    fn take(&mut self, c: char) -> bool {
        let rest = self.0.trim_start().strip_prefix(c);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Returns true if the brackets or the line end here; else skips a comma.
    fn closes(&mut self, close: char) -> bool {
        let is_done = self.take(close) || self.0.trim().is_empty();
        if !is_done {
            self.take(',');
        }
        is_done || self.take(close)
    }

    fn scalar(&mut self, ends: &[char]) -> Value {
        self.0 = self.0.trim_start();
        for quote in ['"', '\''] {
            if self.take(quote) {
                return Value::String(self.quoted(quote));
            }
        }
        let end = (self.0.char_indices())
            .find(|(at, c)| {
                ends.contains(c)
                    && (*c != ':'
                        || self.0[at + 1..].is_empty()
                        || self.0[at + 1..].starts_with(' '))
            })
            .map_or(self.0.len(), |(at, _)| at);
        let (plain, rest) = self.0.split_at(end);
        // At least one character, so that a list always advances.
        self.0 = if end == 0 && !ends.contains(&':') {
            rest.get(1..).unwrap_or("")
        } else {
            rest
        };
        match plain.trim() {
            "" | "~" | "null" => Value::Null,
            plain => match plain.parse::<f64>() {
                Ok(_) => serde_json::from_str(plain).unwrap_or_else(|_| plain.into()),
                Err(_) => plain.into(),
            },
        }
    }

    /// Reads the text up to the closing quote.
    fn quoted(&mut self, quote: char) -> String {
        let mut text = String::new();
        let mut chars = self.0.chars();
        while let Some(c) = chars.next() {
            if c == quote {
                if quote == '\'' && chars.as_str().starts_with('\'') {
                    chars.next();
                    text.push('\'');
                    continue;
                }
                break;
            }
            if c != '\\' || quote == '\'' {
                text.push(c);
                continue;
            }
            let digits = match chars.next() {
                Some('x') => 2,
                Some('u') => 4,
                Some('U') => 8,
                other => {
                    text.extend(other.map(|c| match c {
                        'n' => '\n',
                        't' => '\t',
                        'r' => '\r',
                        'b' => '\u{8}',
                        'f' => '\u{c}',
                        c => c,
                    }));
                    continue;
                }
            };
            let hex = |rest: &str| {
                rest.get(..digits)
                    .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            };
            let mut rest = chars.as_str();
            let mut code = hex(rest);
            rest = rest.get(digits..).unwrap_or("");
            // JSON, a subset of YAML, writes some characters as surrogate pairs.
            if let (Some(high @ 0xd800..0xdc00), Some(low)) = (code, rest.strip_prefix("\\u"))
                && let Some(low @ 0xdc00..0xe000) = hex(low)
            {
                code = Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                rest = rest.get(2 + digits..).unwrap_or("");
            }
            text.push(code.and_then(char::from_u32).unwrap_or('\u{fffd}'));
            chars = rest.chars();
        }
        self.0 = chars.as_str();
        text
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
        let text = "# DeepLabCut\nTask: my task   # comment\nscorer: 'it''s'\nvideo_sets:\n  C:\\a\\b.mp4:\n    crop: 0, 640, 0, 480\n\
                    bodyparts:\n- nose\n- \"a: \\\"b\\\" # c\"\n- 7\nskeleton:\n- - nose\n  - tail\n- [ear, \"a, b\"]\n\
                    empty: []\nnothing:\nkpt_shape: [17, 3]\nnames:\n  0: person\n  1: {a: 1, b: [x]}\n\nlast: yes\n";
        let expected = json!({
            "Task": "my task", "scorer": "it's", "video_sets": {"C:\\a\\b.mp4": {"crop": "0, 640, 0, 480"}},
            "bodyparts": ["nose", "a: \"b\" # c", 7], "skeleton": [["nose", "tail"], ["ear", "a, b"]],
            "empty": [], "nothing": null, "kpt_shape": [17, 3], "names": {"0": "person", "1": {"a": 1, "b": ["x"]}}, "last": "yes",
        });
        assert_eq!(parse(text), expected);
        assert_eq!(
            parse("- a: 1\n  b: 2\n-\n  - x\n"),
            json!([{"a": 1, "b": 2}, ["x"]])
        );
        assert_eq!(parse(""), Value::Null);
    }

    proptest! {
        #[test]
        fn parse_restores_our_strings(text in any::<String>()) {
            let document = format!("a: {0}\nb:\n- [{0}, {0}]\n", yaml_string(&text));
            prop_assert_eq!(parse(&document), json!({"a": text, "b": [[text, text]]}));
            let document = format!("a: {}\n", crate::annotate::formats::json_ascii(&text));
            prop_assert_eq!(parse(&document), json!({"a": text}));
        }

        #[test]
        fn parse_never_hangs_or_panics(text in "[-a: \n\\[\\]{},\"'#\\\\xüU]{0,60}") {
            parse(&text);
        }
    }
}
