//! What has to be on the machine before anything is built. Every function looks first: a second run does no work.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::process::{command, npm, on_path, output, run};

/// The target of what runs in a browser.
pub const WASM: &str = "wasm32-unknown-unknown";
const NODE: u32 = 20;
/// The newest trunk that this project's Rust can build.
const TRUNK: &str = "0.21.14";
/// Where the project's own tools live; ignored by git.
const TOOLS: &str = ".tools";

/// All that building the page needs.
pub fn page() -> Result<()> {
    node()?;
    weights()?;
    wasm_target()?;
    npm_packages()?;
    tools()
}

fn node() -> Result<()> {
    let Some(version) = output(&mut command(&["node", "--version"])) else {
        bail!("Node is missing: install Node {NODE} or newer, with npm.");
    };
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    ensure!(
        major.is_some_and(|major| major >= NODE),
        "Node {version} is too old: install Node {NODE} or newer."
    );
    ensure!(
        output(&mut npm(&["npm", "--version"])).is_some(),
        "npm is missing: it comes with Node {NODE} or newer."
    );
    Ok(())
}

/// The perceptual loss's weights are part of the repository; a damaged file would train nonsense.
fn weights() -> Result<()> {
    let sums = fs::read_to_string("weights/SHA256SUMS").context("weights/SHA256SUMS is missing")?;
    for line in sums.lines() {
        let (expected, name) = line
            .split_once("  ")
            .context("weights/SHA256SUMS has a line that is no checksum")?;
        let path = Path::new("weights").join(name);
        let bytes = fs::read(&path).with_context(|| format!("{} is missing", path.display()))?;
        let actual: String = Sha256::digest(&bytes)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        ensure!(
            actual == expected,
            "{} is damaged, its checksum differs: `git checkout -- weights` restores it.",
            path.display()
        );
    }
    Ok(())
}

/// Python's packages for the tests against other programs, in a folder of the project. Where there is no Python, those tests
/// are skipped. Whether there is one.
pub fn python() -> bool {
    let packages = python_packages();
    if let Err(why) = &packages {
        println!("Tests against other programs (onnxruntime) are skipped: {why:#}.");
    }
    packages.is_ok()
}

fn python_packages() -> Result<()> {
    const WANTED: &str = "tests/requirements.txt";
    /// ... without what they ask for in turn.
    const ALONE: &str = "tests/requirements-alone.txt";
    let folder = Path::new(TOOLS).join("python");
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
    let programs = folder.join(if cfg!(windows) { "Scripts" } else { "bin" });
    let install = |options: &[&str]| {
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ];
        let mut install = Command::new(programs.join("python"));
        run(install.args(pip).args(options))
    };
    install(&["-r", WANTED])?;
    let alone = folder.join("alone");
    let alone = alone.to_str().context("the project's path is not UTF-8")?;
    install(&["--upgrade", "--no-deps", "--target", alone, "-r", ALONE])?;
    Ok(fs::write(done, wanted)?)
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

/// rustfmt and clippy, where the toolchain came without them.
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
    println!("Installing npm's packages into node_modules/");
    run(&mut npm(&["npm", "ci", "--no-audit", "--no-fund"]))
}

/// A program that finds the project's own tools before all others.
pub fn tool(words: &[&str]) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    let ours = env::current_dir()?.join(TOOLS).join("bin");
    let mut command = command(words);
    command.env(
        "PATH",
        env::join_paths(std::iter::once(ours).chain(env::split_paths(&path)))?,
    );
    // Trunk takes this variable for a flag of its own and stumbles over its usual value, 1.
    command.env_remove("NO_COLOR");
    Ok(command)
}

/// trunk, and the wasm-bindgen that matches Cargo.lock: any other version refuses to work.
fn tools() -> Result<()> {
    let bindgen = locked_version("wasm-bindgen")?;
    let wanted = [
        // (program, package, version, further options). Trunk here only builds and serves on this machine: no TLS, no
        // look for updates. The lock file of wasm-bindgen-cli names a crate version that the registry lacks.
        (
            "trunk",
            "trunk",
            TRUNK,
            &["--locked", "--no-default-features"][..],
        ),
        (
            "wasm-bindgen",
            "wasm-bindgen-cli",
            bindgen.as_str(),
            &["--no-default-features", "--bin", "wasm-bindgen"][..],
        ),
    ];
    for (program, package, version, options) in wanted {
        let found = output(&mut tool(&[program, "--version"])?);
        if found.is_some_and(|text| text.split_whitespace().nth(1) == Some(version)) {
            continue;
        }
        println!("Installing {program} {version} into {TOOLS}/");
        let package = format!("{package}@{version}");
        if !install_binary(&package) {
            install_source(&package, options)?;
        }
    }
    let _ = fs::remove_dir_all(build_folder()); // none there after a second run
    Ok(())
}

/// Tries cargo-binstall, which fetches a built program.
fn install_binary(package: &str) -> bool {
    let mut binstall = command(&[
        "cargo",
        "binstall",
        "--no-confirm",
        "--disable-strategies",
        "compile",
    ]);
    on_path("cargo-binstall").is_some() && run(binstall.args(["--root", TOOLS, package])).is_ok()
}

/// Builds for a short build, not for speed: these programs spend their time waiting for cargo.
fn install_source(package: &str, options: &[&str]) -> Result<()> {
    println!("Building {package} from source: some minutes, once");
    let mut install = command(&["cargo", "install", "--root", TOOLS, package]);
    let profile = [
        ("OPT_LEVEL", "1"),
        ("LTO", "off"),
        ("CODEGEN_UNITS", "16"),
        ("DEBUG", "false"),
    ];
    for (setting, value) in profile {
        install.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    // One folder for both, so that what they share is built once.
    run(install
        .args(options)
        .env("CARGO_TARGET_DIR", build_folder()))
}

fn build_folder() -> PathBuf {
    Path::new(TOOLS).join("build")
}

/// A crate's version in Cargo.lock.
fn locked_version(name: &str) -> Result<String> {
    let lock = fs::read_to_string("Cargo.lock").context("Cargo.lock is missing")?;
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = lock
        .replace('\r', "")
        .split_once(&entry)
        .and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    version.with_context(|| format!("Cargo.lock names no {name}"))
}

/// The browser for the tests: CHROME, the PATH, Debian's package; `None` stands for Playwright's own, installed here.
pub fn chromium() -> Result<Option<PathBuf>> {
    if let Some(named) = env::var_os("CHROME") {
        let named = PathBuf::from(named);
        ensure!(
            named.is_file(),
            "CHROME names {}, which is no file.",
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
        "No browser for the tests: install Chromium, or name one in the variable CHROME.",
    )?;
    Ok(None)
}

/// Whether the WebGPU tests may use lavapipe, Vulkan in software. Other systems bring a driver of their own.
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
            "No software Vulkan driver (Debian: mesa-vulkan-drivers): WebGPU tests use what there is. {reason}"
        );
    }
    present()
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
