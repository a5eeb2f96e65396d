//! `cargo xtask faults page`: the page's worker and tabs are killed, its disk is full, its GPU is lost and its engine breaks down, as
//! `tests/browser/faults.spec.js` does it; what came of that, as a table.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{npm, run};
use crate::{page, setup};

/// Of each fault unless told; `cargo xtask test` does a few.
const COUNT: usize = 50;
/// Before the rows that the tests print.
const MARK: &str = "FAULTS ";

/// `--count N`.
///
/// # Errors
/// A fault took along what was saved, or the page does not build.
pub fn faults(options: &[&str]) -> Result<()> {
    let count = match options {
        [] => COUNT,
        ["--count", count] => count.parse().context("--count wants a number")?,
        _ => bail!("faults page knows --count N, not {}", options.join(" ")),
    };
    setup::page()?;
    let chromium = setup::chromium()?;
    run(&mut page::build()?)?;
    let mut tests = npm(&[
        "npx",
        "playwright",
        "test",
        "tests/browser/faults.spec.js",
        "--workers=1",
    ]);
    tests.env("AUTOLINK_FAULTS", count.to_string());
    if let Some(chromium) = chromium {
        tests.env("CHROME", chromium);
    }
    let mut tests = tests
        .stdout(Stdio::piped())
        .spawn()
        .context("the browser tests did not start")?;
    let output = tests.stdout.take().context("tests without output")?;
    let mut rows = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line?;
        println!("{line}");
        rows.extend(row(&line).map(String::from));
    }
    let succeeded = tests.wait()?.success();
    println!("\n| where | fault | times | outcome |\n| --- | --- | --- | --- |");
    for row in rows {
        println!("{row}");
    }
    ensure!(
        succeeded,
        "a fault took along more than it may: see the tests above"
    );
    Ok(())
}

/// The row of the table that a line of the tests holds.
fn row(line: &str) -> Option<&str> {
    line.split_once(MARK).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_among_the_lines() {
        assert_eq!(
            row("FAULTS | page | x | 3 | y |"),
            Some("| page | x | 3 | y |")
        );
        assert_eq!(row("  ok 1 [together] faults.spec.js"), None);
    }
}
