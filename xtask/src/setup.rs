//! Installing what is missing on the machine. Every function checks first: a second run does no work.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::process::{command, npm, on_path, output, run};

/// The target of code that runs in a browser.
pub const WASM: &str = "wasm32-unknown-unknown";
const NODE: [u32; 2] = [20, 19];
/// The folder of Python packages; ignored by git.
const TOOLS: &str = ".tools";

/// Installs what building the page needs, and prints the time of each stage.
///
/// # Errors
/// Something cannot be installed.
pub fn page() -> Result<()> {
    node()?;
    weights()?;
    timed("wasm target", wasm_target)?;
    timed("packages of npm", npm_packages)
}

/// Prints how long a stage of the set-up took, unless it had nothing to do.
fn timed<T>(stage: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let start = Instant::now();
    let result = work()?;
    let time = start.elapsed();
    if time >= Duration::from_secs(1) {
        println!("{:>8.1} s  set-up: {stage}", time.as_secs_f64());
    }
    Ok(result)
}

/// Checks that Node is there, with npm.
///
/// # Errors
/// It is missing or too old.
pub fn node() -> Result<()> {
    let Some(version) = output(&mut command(&["node", "--version"])) else {
        bail!(
            "Node is missing: install Node {}.{} or newer, with npm.",
            NODE[0],
            NODE[1]
        );
    };
    let mut parts = version.trim_start_matches('v').split('.');
    let mut part = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    let [major, minor] = NODE;
    ensure!(
        [part(), part()] >= NODE,
        "Node {version} is too old: install Node {major}.{minor} or newer."
    );
    ensure!(
        output(&mut npm(&["npm", "--version"])).is_some(),
        "npm is missing: it comes with Node."
    );
    Ok(())
}

/// Checks the weights of the perceptual loss, which are part of the repository: damaged ones would train nonsense.
///
/// # Errors
/// A file is missing or damaged.
pub fn weights() -> Result<()> {
    let sums = fs::read_to_string("weights/SHA256SUMS").context("weights/SHA256SUMS is missing")?;
    for line in sums.lines() {
        let (expected, name) = line
            .split_once("  ")
            .context("weights/SHA256SUMS has a line without a checksum")?;
        let path = Path::new("weights").join(name);
        let bytes = fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
        let actual: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        ensure!(
            actual == expected,
            "{} is damaged: its checksum differs. `git checkout -- weights` restores it.",
            path.display()
        );
    }
    Ok(())
}

/// Installs the Python packages of the tests into a folder of the project, and returns whether there are any: without Python, those
/// tests are skipped.
pub fn python() -> bool {
    let packages = timed("packages of Python", python_packages);
    if let Err(why) = &packages {
        println!(
            "The spelling and the tests against other programs (onnxruntime) are skipped: {why:#}."
        );
    }
    packages.is_ok()
}

fn python_packages() -> Result<()> {
    const WANTED: &str = "tests/requirements.txt";
    /// Packages that are installed without their dependencies.
    const ALONE: &str = "tests/requirements-alone.txt";
    let folder = python_folder();
    let done = folder.join("done.txt");
    let wanted = fs::read_to_string(WANTED)? + &fs::read_to_string(ALONE)?;
    if fs::read_to_string(&done).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    let python = ["python3", "python"]
        .into_iter()
        .find(|name| output(&mut command(&[name, "--version"])).is_some())
        .context("python3 is missing")?;
    run(command(&[python, "-m", "venv"]).arg(&folder))?;
    let install = |options: &[&str]| {
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let mut install = Command::new(python_program("python"));
        run(install.args(pip).args(options))
    };
    install(&["-r", WANTED])?;
    let alone = folder.join("alone");
    let alone = alone.to_str().context("the project's path is not UTF-8")?;
    install(&["--upgrade", "--no-deps", "--target", alone, "-r", ALONE])?;
    Ok(fs::write(done, wanted)?)
}

fn python_folder() -> PathBuf {
    Path::new(TOOLS).join("python")
}

/// Returns the path of a program that [`python`] installed.
pub fn python_program(name: &str) -> PathBuf {
    let folder = if cfg!(windows) { "Scripts" } else { "bin" };
    python_folder().join(folder).join(name)
}

fn wasm_target() -> Result<()> {
    let libraries = output(&mut command(&[
        "rustc",
        "--print",
        "target-libdir",
        "--target",
        WASM,
    ]));
    if libraries.is_some_and(|folder| Path::new(&folder).is_dir()) {
        return Ok(());
    }
    println!("Adding Rust's target {WASM}");
    run(&mut command(&["rustup", "target", "add", WASM]))
}

/// Installs rustfmt and clippy if the toolchain came without them.
pub fn rust_components() -> Result<()> {
    if ["fmt", "clippy"]
        .iter()
        .all(|tool| output(&mut command(&["cargo", tool, "--version"])).is_some())
    {
        return Ok(());
    }
    run(&mut command(&[
        "rustup",
        "component",
        "add",
        "rustfmt",
        "clippy",
    ]))
}

fn npm_packages() -> Result<()> {
    let modified = |path: &str| fs::metadata(path).and_then(|data| data.modified());
    let wanted = modified("package-lock.json").context("package-lock.json is missing")?;
    // npm writes this file last.
    let installed = modified("node_modules/.package-lock.json").unwrap_or(SystemTime::UNIX_EPOCH);
    if installed >= wanted {
        return Ok(());
    }
    println!("Installing the packages of npm into node_modules/");
    run(&mut npm(&["npm", "ci", "--no-audit", "--no-fund"]))
}

/// Finds the browser for the tests: CHROME, the PATH, or the package of Debian. `None` stands for Playwright's own, which is then
/// installed.
pub fn chromium() -> Result<Option<PathBuf>> {
    if let Some(named) = env::var_os("CHROME") {
        let named = PathBuf::from(named);
        ensure!(
            named.is_file(),
            "CHROME names {}, which is not a file.",
            named.display()
        );
        return Ok(Some(named));
    }
    let installed = || {
        ["chromium", "chromium-browser", "google-chrome"]
            .into_iter()
            .find_map(on_path)
    };
    if let Some(found) = installed() {
        return Ok(Some(found));
    }
    if apt_install(&["chromium"]).is_ok()
        && let Some(found) = installed()
    {
        return Ok(Some(found));
    }
    run(&mut npm(&["npx", "playwright", "install", "chromium"])).context(
        "There is no browser for the tests: install Chromium, or name it in the variable CHROME.",
    )?;
    Ok(None)
}

/// Returns whether the GPU tests can use lavapipe, Vulkan in software, which is installed if it is missing. Other systems than Linux
/// have a driver of their own.
pub fn lavapipe() -> bool {
    let present = || {
        [
            "/usr/share/vulkan/icd.d",
            "/usr/local/share/vulkan/icd.d",
            "/etc/vulkan/icd.d",
        ]
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .any(|file| file.file_name().to_string_lossy().starts_with("lvp_icd"))
    };
    if !cfg!(target_os = "linux") || present() {
        return cfg!(target_os = "linux");
    }
    if let Err(reason) = apt_install(&["mesa-vulkan-drivers", "libvulkan1"]) {
        println!(
            "There is no software Vulkan driver (Debian: mesa-vulkan-drivers), so the GPU tests use any other driver. {reason}"
        );
    }
    present()
}

/// Returns whether tests can use ffmpeg, which is installed if it is missing.
pub fn ffmpeg() -> bool {
    let present = || on_path("ffmpeg").is_some() && on_path("ffprobe").is_some();
    if !present()
        && let Err(reason) = apt_install(&["ffmpeg"])
    {
        println!(
            "The tests of videos on the command line are skipped: ffmpeg is missing. {reason}"
        );
    }
    present()
}

/// Finds Firefox and its driver for the tests: FIREFOX and GECKODRIVER, the PATH, or else the package of Debian and a driver that
/// Cargo builds. Without them, those tests are skipped.
pub fn firefox() -> Option<[PathBuf; 2]> {
    let found = timed("Firefox and its driver", firefox_and_driver);
    let skipped = "The tests in Firefox are skipped";
    found
        .inspect_err(|why| println!("{skipped}: {why:#}."))
        .ok()
}

fn firefox_and_driver() -> Result<[PathBuf; 2]> {
    let browser = || named_or_on_path("FIREFOX", &["firefox-esr", "firefox"]);
    let firefox = match browser() {
        Some(firefox) => firefox,
        None => {
            apt_install(&["firefox-esr"])?;
            browser().context("firefox-esr is missing")?
        }
    };
    let folder = Path::new(TOOLS).join("geckodriver");
    let built = folder.join("bin/geckodriver");
    let driver = named_or_on_path("GECKODRIVER", &["geckodriver"]);
    if driver.is_none() && !built.is_file() {
        let install = "cargo install geckodriver@0.36.0 --locked --debug --quiet --root";
        let words: Vec<_> = install.split(' ').collect();
        run(command(&words)
            .arg(&folder)
            .env("CARGO_PROFILE_DEV_DEBUG", "0"))?;
    }
    let driver = driver.map_or_else(|| fs::canonicalize(built), Ok)?;
    Ok([firefox, driver])
}

/// Finds WebKitGTK's small browser, which has the engine of Safari, with its driver and a display in memory: WEBKIT, or the packages of
/// Debian. Without them, those tests are skipped.
pub fn webkit() -> Option<PathBuf> {
    let found = timed("WebKit and its driver", webkit_and_driver);
    let skipped = "The tests in WebKit are skipped";
    found
        .inspect_err(|why| println!("{skipped}: {why:#}."))
        .ok()
}

fn webkit_and_driver() -> Result<PathBuf> {
    let browser = || {
        named_or_on_path("WEBKIT", &["MiniBrowser"]).or_else(|| {
            let libraries = fs::read_dir("/usr/lib").ok()?.flatten();
            let mut paths = libraries.map(|entry| entry.path().join("webkit2gtk-4.1/MiniBrowser"));
            paths.find(|path| path.is_file())
        })
    };
    let is_here = || on_path("WebKitWebDriver").is_some() && on_path("Xvfb").is_some();
    if browser().is_none() || !is_here() {
        apt_install(&["webkit2gtk-driver", "libwebkit2gtk-4.1-0", "xvfb"])?;
    }
    ensure!(is_here(), "WebKitWebDriver or Xvfb is missing");
    browser().context("MiniBrowser is missing")
}

/// Returns the program that a variable names, or else the first that is on the PATH.
fn named_or_on_path(variable: &str, names: &[&str]) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    named.or_else(|| names.iter().copied().find_map(on_path))
}

fn apt_install(packages: &[&str]) -> Result<()> {
    let root = output(&mut command(&["id", "-u"])).is_some_and(|id| id == "0");
    ensure!(
        root && on_path("apt-get").is_some(),
        "Only root can install {}.",
        packages.join(" and ")
    );
    println!("Installing {}", packages.join(" and "));
    run(&mut command(&["apt-get", "update", "-qq"]))?;
    let mut install = command(&["apt-get", "install", "-qq", "-y", "--no-install-recommends"]);
    run(install
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}
