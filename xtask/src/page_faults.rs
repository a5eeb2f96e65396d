//! `cargo xtask faults page`: kills the worker and tabs of the page, fills its disk, and lets its GPU and engine fail, in
//! `tests/browser/faults.spec.js`. Prints a table of the outcomes.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use crate::page::{self, Profile};
use crate::process::npm;
use crate::setup;

/// Default number of each fault; `cargo xtask test` runs a few.
const COUNT: usize = 50;
/// Prefix of the table rows that the tests print.
const ROW_PREFIX: &str = "FAULTS ";

/// Runs the command, with `--count N`.
///
/// # Errors
/// Something that had been saved was lost, or the page does not build.
pub fn faults(options: &[&str]) -> Result<()> {
    let count = match options {
        [] => COUNT,
        ["--count", count] => count.parse().context("--count needs a number")?,
        _ => bail!(
            "`{}` is not an option of `cargo xtask faults page`: it has --count N",
            options.join(" ")
        ),
    };
    page::build(Profile::Serve)?;
    let chromium = setup::chromium()?;
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
    let output = tests
        .stdout
        .take()
        .context("the browser tests have no output")?;
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
        "A fault lost more than it may: see the tests above."
    );
    Ok(())
}

/// Returns the table row in a line of the tests' output.
fn row(line: &str) -> Option<&str> {
    line.split_once(ROW_PREFIX).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_finds_rows_among_other_lines() {
        assert_eq!(
            row("FAULTS | page | x | 3 | y |"),
            Some("| page | x | 3 | y |")
        );
        assert_eq!(row("  ok 1 [together] faults.spec.js"), None);
    }
}
