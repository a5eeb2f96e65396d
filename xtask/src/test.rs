//! `cargo xtask test`: runs every check and every test, times each, and prints the totals of the test runners.

use std::env;
use std::io::{BufRead, BufReader};
use std::ops::AddAssign;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::page::{self, Profile};
use crate::process::{command, npm, run, shown};
use crate::setup;

/// All packages but xtask, which is tested separately: its dependencies turn on features that would rebuild the engine's.
const PRODUCT: &[&str] = &["--workspace", "--exclude", "xtask"];
const XTASK: &[&str] = &["--package", "xtask"];

/// Runs everything. A failed check does not stop the others.
///
/// # Errors
/// Something cannot be set up, or a check or test failed.
pub fn all() -> Result<()> {
    let mut report = Report::default();
    setup::rust_components()?;
    setup::node()?;
    setup::weights()?;
    // They run side by side, because each leaves a core idle at times.
    let ((page, time), require) = thread::scope(|scope| {
        let page = scope.spawn(|| {
            let start = Instant::now();
            (page(), start.elapsed())
        });
        let require = rust(&mut report);
        let page = page.join().unwrap_or_else(|panic| resume_unwind(panic));
        (page, require)
    });
    let name = "page, beside the stages above";
    report.times.push((name, time));
    let page = report.attempt(name, page);
    let set_up = report.attempt("set-up of the tests", require);
    if let (Some(()), Some((require, browsers))) = (page, set_up) {
        let browser = browser(&mut report, &require, browsers);
        report.attempt("set-up of the browser tests", browser);
    }
    report.close()
}

/// Installs what the page needs, and builds it as `cargo xtask serve --release` does, and the package with the same engine.
fn page() -> Result<()> {
    setup::page()?;
    run(&mut linted(page::engine(Profile::Serve)))?;
    page::bind_engine(Profile::Serve)?;
    run(&mut page::vite(&["build"]))?;
    page::pack()
}

/// Runs what needs no page, and returns what the browser tests must find: see [`REQUIRE`].
fn rust(report: &mut Report) -> Result<(String, Browsers)> {
    let (lavapipe, ffmpeg, python, browsers) = thread::scope(|scope| {
        // The build leaves the network idle.
        let downloads = scope.spawn(|| {
            let browsers = Browsers {
                firefox: setup::firefox(),
                webkit: setup::webkit(),
            };
            (
                setup::lavapipe(),
                setup::ffmpeg(),
                setup::python(),
                browsers,
            )
        });
        let format = command(&["cargo", "fmt", "--all", "--check"]);
        report.stage("format", None, format)?;
        let build = command(&[&["cargo", "test"], PRODUCT, &["--no-run"]].concat());
        report.stage("lints, and build of the Rust tests", None, linted(build))?;
        anyhow::Ok(
            downloads
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic)),
        )
    })?;
    let require = required(&[
        ("gpu", lavapipe),
        ("ffmpeg", ffmpeg),
        ("python", python),
        ("shared", Path::new("../shared").is_dir()),
        ("firefox", browsers.firefox.is_some()),
        ("webkit", browsers.webkit.is_some()),
    ]);
    if python {
        let typos = Command::new(setup::python_program("typos"));
        report.stage("spelling", None, typos)?;
    }
    let cargo_test = |words: &[&str]| {
        let mut test = linted(command(&[&["cargo", "test"][..], words].concat()));
        if lavapipe {
            // GPU tests run on Vulkan in software even if there is a GPU, so that the numbers are the same everywhere.
            test.env("CUBECL_WGPU_DEFAULT_DEVICE", "Cpu");
        }
        test.env(REQUIRE, &require);
        test
    };
    let tests = cargo_test(&[PRODUCT, &["--no-fail-fast"]].concat());
    report.stage("Rust tests", Some(cargo_totals), tests)?;
    report.stage("tests of xtask", Some(cargo_totals), cargo_test(XTASK))?;
    report.stage("faults", None, linted(xtask(&["faults", "--saves", "20"])?))?;
    Ok((require, browsers))
}

/// The programs of the browsers that Playwright cannot drive, where they could be set up.
struct Browsers {
    /// Firefox and geckodriver.
    firefox: Option<[PathBuf; 2]>,
    /// WebKitGTK's MiniBrowser.
    webkit: Option<PathBuf>,
}

/// Checks and tests the page.
fn browser(report: &mut Report, require: &str, browsers: Browsers) -> Result<()> {
    let chromium = setup::chromium()?;
    report.stage("sentences", None, xtask(&["sentences", "--check"])?)?;
    let types = |project: &str| npm(&["npx", "tsc", "--project", project]);
    report.stage("types of the page", None, types("tsconfig.json"))?;
    report.stage(
        "types of the browser tests",
        None,
        types("tests/browser/tsconfig.json"),
    )?;
    report.stage(
        "types of the components",
        None,
        npm(&["npx", "svelte-check", "--fail-on-warnings"]),
    )?;
    report.stage("lints of the page", None, npm(&["npx", "biome", "check"]))?;
    let playwright = |words: &[&str]| {
        let mut test = npm(&[&["npx", "playwright", "test"], words].concat());
        test.env(REQUIRE, require);
        if let Some(chromium) = &chromium {
            test.env("CHROME", chromium);
        }
        test
    };
    let chromium_tests = playwright(&[]);
    report.stage("browser tests", Some(playwright_totals), chromium_tests)?;
    let mut journeys = playwright(&["--config", "tests/browsers"]);
    if let Some([firefox, driver]) = browsers.firefox {
        journeys.env("FIREFOX", firefox).env("GECKODRIVER", driver);
    }
    if let Some(webkit) = browsers.webkit {
        journeys.env("WEBKIT", webkit);
    }
    let name = "journeys in Firefox and WebKit";
    report.stage(name, Some(playwright_totals), journeys)?;
    let samples = playwright(&["--config", "tests/embed"]);
    report.stage("tests of the package", Some(playwright_totals), samples)?;
    Ok(())
}

/// The variable that names what was set up, so that a test that lacks it fails instead of being skipped; see `tests/needs/mod.rs`.
const REQUIRE: &str = "AUTOLINK_REQUIRE";

/// Makes another command of this program.
fn xtask(words: &[&str]) -> Result<Command> {
    let mut xtask = Command::new(env::current_exe()?);
    xtask.args(words);
    Ok(xtask)
}

/// Puts Clippy in the place of rustc for the packages of this project, as `cargo clippy` does. Lints then come with the build of the
/// tests and of the page; a build of their own checks all dependencies once more, which takes longer than everything else in it.
fn linted(mut cargo: Command) -> Command {
    cargo.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    cargo.env("CLIPPY_ARGS", "-D__CLIPPY_HACKERY__warnings");
    cargo
}

/// Lists what tests must find, by the names that they know, of all that may have been set up.
fn required(all: &[(&str, bool)]) -> String {
    let present = all.iter().filter(|(_, present)| *present);
    present.map(|(name, _)| *name).collect::<Vec<_>>().join(",")
}

#[derive(Debug, Default, PartialEq)]
struct Totals {
    /// Less the tests that report themselves as skipped, which their runner counts as passed.
    passed: isize,
    failed: isize,
    skipped: isize,
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Returns what a line of the output of a test runner adds to the totals.
type Reader = fn(&str) -> Totals;

#[derive(Default)]
struct Report {
    totals: Totals,
    times: Vec<(&'static str, Duration)>,
    failed_stages: Vec<&'static str>,
}

impl Report {
    /// Returns what a part of the run gave. One that could not be set up counts as a failed stage, so that the others are reported.
    fn attempt<T>(&mut self, name: &'static str, result: Result<T>) -> Option<T> {
        result
            .inspect_err(|error| {
                println!("\n=== {name}: FAILED: {error:#}");
                self.failed_stages.push(name);
                self.totals.failed += 1;
            })
            .ok()
    }

    /// Runs one stage: a check or a test runner, whose closing lines `reader` counts. Returns whether it passed.
    fn stage(
        &mut self,
        name: &'static str,
        reader: Option<Reader>,
        mut command: Command,
    ) -> Result<bool> {
        let shown = shown(&command);
        println!("\n=== {name}: {shown}");
        let start = Instant::now();
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("`{shown}` did not start"))?;
        let output = child.stdout.take().context("the stage has no output")?;
        let mut totals = Totals::default();
        for line in BufReader::new(output).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            if let Some(reader) = reader {
                totals += reader(&line);
            }
            println!("{line}");
        }
        let succeeded = child.wait()?.success();
        if !succeeded {
            // A check, or a runner that failed before it counted.
            totals.failed = totals.failed.max(1);
            self.failed_stages.push(name);
        }
        let time = start.elapsed();
        let outcome = if succeeded { "passed" } else { "FAILED" };
        println!("=== {name}: {outcome} after {:.1} s", time.as_secs_f64());
        self.totals += totals;
        self.times.push((name, time));
        Ok(succeeded)
    }

    fn close(self) -> Result<()> {
        println!();
        for (name, time) in &self.times {
            println!("{:>8.1} s  {name}", time.as_secs_f64());
        }
        for name in &self.failed_stages {
            println!("FAILED: {name}");
        }
        let Totals {
            passed,
            failed,
            skipped,
        } = self.totals;
        let rest = if skipped > 0 {
            format!(", {skipped} skipped")
        } else {
            String::new()
        };
        println!("\n{passed} passed, {failed} failed{rest}");
        ensure!(self.failed_stages.is_empty(), "Not everything passed.");
        Ok(())
    }
}

/// Reads the closing line of cargo's tests, `test result: ok. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in
/// 0.01s`, and before that lines like `skipped: draws: no graphics adapter here` of passed tests that skipped some of their work.
fn cargo_totals(line: &str) -> Totals {
    // A runner of one thread starts the line with the name of the test.
    let printed = line
        .strip_prefix("test ")
        .and_then(|line| line.split_once(" ... "));
    if printed
        .map_or(line, |(_, printed)| printed)
        .starts_with("skipped: ")
    {
        return Totals {
            passed: -1,
            failed: 0,
            skipped: 1,
        };
    }
    let Some(counts) = line.strip_prefix("test result: ") else {
        return Totals::default();
    };
    let count = |kind: &str| {
        counts
            .split(['.', ';'])
            .find_map(|part| part.trim().strip_suffix(kind)?.trim().parse().ok())
            .unwrap_or(0)
    };
    Totals {
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("ignored"),
    }
}

/// Reads the closing lines of Playwright, one for each kind that occurred: `  3 passed (4.2s)`, `  1 failed`, `  2 skipped`.
fn playwright_totals(line: &str) -> Totals {
    let mut totals = Totals::default();
    let Some((count, kind)) = line.trim().split_once(' ') else {
        return totals;
    };
    let Ok(count) = count.parse() else {
        return totals;
    };
    match kind.split(" (").next() {
        Some("passed" | "flaky") => totals.passed = count,
        Some("failed" | "interrupted" | "did not run") => totals.failed = count,
        Some("skipped") => totals.skipped = count,
        _ => {}
    }
    totals
}

#[cfg(test)]
mod tests {
    use super::{Totals, cargo_totals, playwright_totals, required};

    #[test]
    fn cargo_totals_counts_only_the_closing_line() {
        let line = "test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(
            cargo_totals(line),
            Totals {
                passed: 12,
                failed: 1,
                skipped: 2
            }
        );
        assert_eq!(
            cargo_totals("test model::tests::three_passed ... ok"),
            Totals::default()
        );
        assert_eq!(cargo_totals("running 12 tests"), Totals::default());
        assert_eq!(cargo_totals("test skipped: ... ok"), Totals::default());
    }

    #[test]
    fn cargo_totals_counts_skipped_tests_as_not_passed() {
        let mut totals = Totals::default();
        let lines = [
            "running 3 tests",
            "test adds_up ... ok",
            "skipped: draws: no graphics adapter here",
            "test draws ... ok",
            "test compares ... skipped: compares: ../shared/reference is not there",
            "ok",
            "test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ];
        lines.iter().for_each(|line| totals += cargo_totals(line));
        assert_eq!(
            totals,
            Totals {
                passed: 1,
                failed: 0,
                skipped: 2
            }
        );
    }

    #[test]
    fn required_lists_what_was_set_up() {
        let all = [("gpu", true), ("ffmpeg", false), ("shared", true)];
        assert_eq!(required(&all), "gpu,shared");
        assert_eq!(required(&all[1..2]), "");
    }

    #[test]
    fn playwright_totals_counts_only_the_closing_lines() {
        let sum = |text: &str| {
            let mut totals = Totals::default();
            text.lines()
                .for_each(|line| totals += playwright_totals(line));
            totals
        };
        let text = "Running 7 tests using 1 worker\n\n  ok 1 page.spec.js:3:1 > 3 passed pictures (1.2s)\n\
                    \n  1 failed\n    page.spec.js:9:1 > reset\n  2 skipped\n  1 did not run\n  3 passed (4.2s)\n";
        assert_eq!(
            sum(text),
            Totals {
                passed: 3,
                failed: 2,
                skipped: 2
            }
        );
    }
}
