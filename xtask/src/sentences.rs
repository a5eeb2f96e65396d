//! `cargo xtask sentences`: lists what people read, the Rust side's from here, the page's from `xtask/sentences.mjs`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Item, Lit, LitStr, Member, Meta, Token};

use crate::process::{command, output};

/// A sentence or label: file, line, text.
type Sentence = (String, usize, String);

const GLOSSARY: &str = "docs/glossary.md";
/// The heading in the glossary above the table of words that are replaced.
const REPLACED: &str = "## Words that we do not use";

/// Beginnings of sentences that may use those words: the story that opens the article.
const ALLOWED: &[&str] = &["Cover most of a photograph", "The game has two players"];
/// Sources whose strings are shaders.
const UNREAD_FOLDER: &str = "src/ops/gpu";
/// Beginnings of strings that look like sentences and are parts of files: YAML, pickle, a term of an XML crate.
#[rustfmt::skip]
const UNREAD: &[&str] = &["Task: {}", "{}: crop", "skeleton: []", "start: 0", "train: images", "c{module}", "element node"];
/// Fields whose text is read, even one word.
const LABELS: &[&str] = &["label", "title", "about", "help"];
/// Derives of types whose doc comments are the command line's help.
const CLAP: &[&str] = &["Parser", "Subcommand", "Args", "ValueEnum"];
/// Macros whose text is for developers.
#[rustfmt::skip]
const UNREAD_MACROS: &[&str] = &[
    "assert", "assert_eq", "assert_ne", "debug_assert", "debug_assert_eq", "panic", "unreachable", "trace", "debug", "info", "warn",
    "error", "env", "include_str",
];

/// Lists all sentences of both sides; with `--check`, only those that use a word that the glossary replaces.
///
/// # Errors
/// A source cannot be read, or `--check` finds something.
pub fn sentences(options: &[&str]) -> Result<()> {
    let sides = [("Rust", rust_side()?), ("Page", page_side(".")?)];
    if options == ["--check"] {
        let glossary = fs::read_to_string(GLOSSARY)?;
        let replaced = replaced(&glossary)?;
        let all = sides.iter().flat_map(|(_, side)| side);
        let complaints: Vec<String> = all
            .flat_map(|sentence| complaints(sentence, &replaced))
            .collect();
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        println!("All sentences keep to docs/glossary.md.");
        return Ok(());
    }
    ensure!(options.is_empty(), "The only option is --check.");
    for (name, side) in &sides {
        let mut seen = HashSet::new();
        let first = side.iter().filter(|(_, _, text)| seen.insert(text));
        let first: Vec<_> = first.collect();
        println!("{name}: {} sentences", first.len());
        let mut last = "";
        for (file, line, text) in first {
            let gap = if file == last { "" } else { "\n" };
            println!("{gap}{file}:{line}: {text}");
            last = file;
        }
        println!();
    }
    Ok(())
}

/// Reads the table of words that are replaced, each with its replacement; an s may follow.
fn replaced(glossary: &str) -> Result<Vec<(&str, &str)>> {
    let (_, section) = glossary
        .split_once(REPLACED)
        .with_context(|| format!("{GLOSSARY} has no section `{REPLACED}`"))?;
    let section = section.split("\n## ").next().unwrap_or_default();
    fn row(line: &str) -> Option<(&str, &str)> {
        let cells = line.strip_prefix("| ")?.strip_suffix(" |")?;
        cells.split_once(" | ")
    }
    // The first two lines are the table's head.
    let rows: Vec<_> = section.lines().filter_map(row).skip(2).collect();
    ensure!(!rows.is_empty(), "{GLOSSARY} has no row under `{REPLACED}`");
    Ok(rows)
}

fn complaints((file, line, text): &Sentence, replaced: &[(&str, &str)]) -> Vec<String> {
    if ALLOWED.iter().any(|start| text.starts_with(start)) {
        return Vec::new();
    }
    let plain = without_placeholders(text).to_lowercase();
    let words: Vec<_> = plain.split(|c: char| !c.is_alphabetic()).collect();
    let words = format!(" {} ", words.join(" "));
    let is_used =
        |word: &str| words.contains(&format!(" {word} ")) || words.contains(&format!(" {word}s "));
    let found = replaced.iter().filter(|(old, _)| is_used(old));
    found
        .map(|(_, new)| format!("{file}:{line}: docs/glossary.md says \"{new}\": {text}"))
        .collect()
}

fn page_side(folder: &str) -> Result<BTreeSet<Sentence>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/sentences.mjs");
    let printed = output(&mut command(&["node", script, folder]));
    let printed = printed.context("`node xtask/sentences.mjs .` failed. Run `npm ci` first.")?;
    let sentence = |line: &str| {
        let mut parts = line.splitn(3, '\t').map(str::to_owned);
        let (file, line) = (parts.next()?, parts.next()?.parse().ok()?);
        Some((file, line, parts.next()?))
    };
    Ok(printed.lines().filter_map(sentence).collect())
}

fn rust_side() -> Result<BTreeSet<Sentence>> {
    let mut folders = vec![PathBuf::from("src"), PathBuf::from("cli/src")];
    let mut found = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let name = path.to_string_lossy().replace('\\', "/");
            if path.is_dir() {
                folders.extend((name != UNREAD_FOLDER).then_some(path));
            } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
                found.extend(read_rust(name, &fs::read_to_string(&path)?)?);
            }
        }
    }
    Ok(found)
}

fn read_rust(file: String, source: &str) -> Result<BTreeSet<Sentence>> {
    let parsed = syn::parse_file(source).with_context(|| format!("{file} is not valid Rust"))?;
    let mut reader = Reader {
        file,
        ..Reader::default()
    };
    reader.visit_file(&parsed);
    Ok(reader.found)
}

/// Collects what people read in one file.
#[derive(Default)]
struct Reader {
    file: String,
    found: BTreeSet<Sentence>,
    /// Inside a type of the command line, whose doc comments are its help.
    is_clap: bool,
}

impl Reader {
    fn add(&mut self, line: usize, text: &str, is_label: bool) {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let plain = without_placeholders(&text);
        let is_markup = plain.starts_with(['<', '{', '@']) || plain.contains("=\"");
        let is_unread = is_markup || UNREAD.iter().any(|start| text.starts_with(start));
        let has_words = plain.contains(char::is_alphabetic) && text.contains(' ');
        if is_label || has_words && !is_unread {
            self.found.insert((self.file.clone(), line, text));
        }
    }

    /// Adds the literals of tokens that are no expressions, but no doc comments, which are attributes there.
    fn tokens(&mut self, tokens: TokenStream, has_labels: bool) {
        let mut is_attribute = false;
        for token in tokens {
            match &token {
                TokenTree::Group(group)
                    if is_attribute && group.delimiter() == Delimiter::Bracket => {}
                TokenTree::Group(group) => self.tokens(group.stream(), has_labels),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal.clone()) {
                        let is_label = has_labels && text.value().contains(char::is_alphabetic);
                        self.add(literal.span().start().line, &text.value(), is_label);
                    }
                }
                _ => {}
            }
            is_attribute = matches!(&token, TokenTree::Punct(mark) if mark.as_char() == '#');
        }
    }

    fn help(&mut self, attributes: &[Attribute]) {
        let docs = attributes
            .iter()
            .filter_map(|attribute| str_of(&attribute.meta.require_name_value().ok()?.value));
        let docs: Vec<_> = docs.collect();
        if let Some(first) = docs.first() {
            let text: String = docs.iter().map(|doc| doc.value()).collect();
            self.add(first.span().start().line, &text, true);
        }
    }
}

fn without_placeholders(text: &str) -> String {
    let mut depth = 0;
    let is_outside = |c: &char| {
        depth += i32::from(*c == '{') - i32::from(*c == '}');
        depth == 0 && *c != '}'
    };
    text.chars().filter(is_outside).collect()
}

fn str_of(expression: &Expr) -> Option<&LitStr> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Returns true for `#[outer(... inner ...)]` with one of the words inside.
fn has(attributes: &[Attribute], outer: &str, inner: &[&str]) -> bool {
    let is_it = |attribute: &Attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident(outer) => {
            let tokens = list.tokens.to_string();
            tokens.split([',', ' ']).any(|word| inner.contains(&word))
        }
        _ => false,
    };
    attributes.iter().any(is_it)
}

impl<'ast> Visit<'ast> for Reader {
    fn visit_lit_str(&mut self, text: &'ast LitStr) {
        self.add(text.span().start().line, &text.value(), false);
    }

    fn visit_item(&mut self, item: &'ast Item) {
        let attributes = match item {
            Item::Enum(item) => &item.attrs,
            Item::Fn(item) => &item.attrs,
            Item::Impl(item) => &item.attrs,
            Item::Mod(item) => &item.attrs,
            Item::Struct(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if has(attributes, "cfg", &["test"]) {
            return;
        }
        if has(attributes, "derive", &["Parser"]) {
            self.help(attributes);
        }
        self.is_clap = has(attributes, "derive", CLAP);
        visit::visit_item(self, item);
        self.is_clap = false;
    }

    fn visit_field(&mut self, field: &'ast syn::Field) {
        if self.is_clap {
            self.help(&field.attrs);
        }
        visit::visit_field(self, field);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        if self.is_clap {
            self.help(&variant.attrs);
        }
        visit::visit_variant(self, variant);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let read = ["arg", "command", "value", "error"];
        if let Meta::List(list) = &attribute.meta
            && read.iter().any(|name| list.path.is_ident(name))
        {
            self.tokens(list.tokens.clone(), false);
        }
    }

    fn visit_field_value(&mut self, field: &'ast syn::FieldValue) {
        match (&field.member, str_of(&field.expr)) {
            (Member::Named(name), Some(text)) if LABELS.iter().any(|label| name == label) => {
                self.add(text.span().start().line, &text.value(), true);
            }
            _ => visit::visit_field_value(self, field),
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        if call.method == "expect" {
            return self.visit_expr(&call.receiver);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called
            .path
            .segments
            .last()
            .map(|last| last.ident.to_string());
        let name = name.unwrap_or_default();
        let tokens = called.tokens.clone();
        if UNREAD_MACROS.contains(&name.as_str()) {
            return;
        }
        match Punctuated::<Expr, Token![,]>::parse_terminated.parse2(tokens.clone()) {
            Ok(arguments) => arguments
                .iter()
                .for_each(|argument| Reader::visit_expr(self, argument)),
            Err(_) => self.tokens(tokens, name == "settings"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(found: &BTreeSet<Sentence>) -> Vec<(usize, &str)> {
        found
            .iter()
            .map(|(_, line, text)| (*line, text.as_str()))
            .collect()
    }

    #[test]
    fn read_rust_lists_what_people_read() {
        let source = r##"/// A developer's comment.
            #[derive(Args)] struct Train {
                /// Number of
                /// steps.
                #[arg(long, default_value = "ten steps")] #[serde(rename = "no sentence")] steps: u32 }
            fn load() { let f = Format { title: "JSON", name: "json" };
                assert!(ok, "a developer's {message}"); x.expect("it is there"); bail!("{name} is
                empty: choose {another}.") }
            settings! { size "Side" 1..=2: "Side of the image."; }
            const SVG: &str = "<svg width=\"1\" />";
            #[cfg(test)] mod tests { const TEXT: &str = "only a test"; }"##;
        let found = read_rust("a.rs".into(), source).unwrap();
        let expected = [
            (3, "Number of steps."),
            (5, "ten steps"),
            (6, "JSON"),
            (7, "{name} is empty: choose {another}."),
            (9, "Side"),
            (9, "Side of the image."),
        ];
        assert_eq!(texts(&found), expected);
    }

    #[test]
    fn complaints_name_words_outside_of_placeholders() {
        let glossary = include_str!("../../docs/glossary.md");
        let replaced = replaced(glossary).unwrap();
        assert!(replaced.contains(&("hint", "edge map")), "{replaced:?}");
        let complaints = |text: &str| complaints(&("a.rs".into(), 1, text.into()), &replaced).len();
        assert_eq!(complaints("Two pictures, rebuilt."), 2);
        assert_eq!(
            complaints("Place more.{hint} Picturesque, leave it out."),
            0
        );
        assert_eq!(
            complaints("The game has two players: one leaves a hint."),
            0
        );
    }

    #[test]
    fn page_side_lists_what_people_read() {
        if !std::path::Path::new("../node_modules/typescript").is_dir() {
            println!("skipped: page_side_lists_what_people_read: run `npm ci` first");
            return;
        }
        let folder = std::env::temp_dir().join(format!("sentences-{}", std::process::id()));
        fs::create_dir_all(folder.join("www")).unwrap();
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        write(
            "tsconfig.json",
            r#"{"compilerOptions": {"allowJs": true, "types": []}, "include": ["www/*.js", "www/*.svelte"]}"#,
        );
        write(
            "www/index.html",
            "<!doctype html>\n<p class=\"no text\">An <b>image</b>\n&amp; more</p><!-- no text -->\n<img alt=\"Hand\">",
        );
        write(
            "www/a.js",
            "import a from \"./b c\";\n// No text.\nb.textContent = a ? \"Stop\" : `${a} is left`;\nconsole.log(\"no text\");\nc.querySelector(\".d .e\");",
        );
        write(
            "www/B.svelte",
            "<script lang=\"ts\">\n  const title = \"Edge map\";\n</script>\n<p class={\"no text\"}>{count} <b>steps</b></p>\n{#if count}<img alt=\"Puppet\" />{/if}\n<style>\n  .no .text { color: red; }\n</style>",
        );
        let found = page_side(&folder.to_string_lossy()).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let expected = [
            (2, "Edge map"),
            (4, "{} steps"),
            (5, "Puppet"),
            (3, "Stop"),
            (3, "{a} is left"),
            (2, "An image & more"),
            (4, "Hand"),
        ];
        assert_eq!(texts(&found), expected);
    }
}
