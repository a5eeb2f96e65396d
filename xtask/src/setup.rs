//! Installing what is missing on the machine. Every function checks first: a second run does no work.

use std::env;
use std::fs;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest, Sha256};

use crate::process::{command, npm, on_path, output, run, shown};

/// The target of code that runs in a browser.
pub const WASM: &str = "wasm32-unknown-unknown";
const NODE: u32 = 20;
/// The newest trunk that the Rust version of this project can build.
const TRUNK: &str = "0.21.14";
/// The folder of the project's own tools; ignored by git.
const TOOLS: &str = ".tools";

/// Installs what building the page needs, and prints the time of each stage. If tools have to be built, `engine`, the part of the
/// page that is compiled anyway, is built beside them, because the end of either build leaves a core idle.
///
/// # Errors
/// Something cannot be installed, or the engine does not build.
pub fn page(mut engine: Command) -> Result<()> {
    node()?;
    weights()?;
    timed("wasm target", wasm_target)?;
    let missing = missing_tools()?;
    if missing.is_empty() {
        return timed("packages of npm", npm_packages);
    }
    thread::scope(|scope| {
        let engine = scope.spawn(move || {
            let name = format!("engine (`{}`)", shown(&engine));
            timed(&name, || run(&mut engine))
        });
        timed("packages of npm", npm_packages)?;
        timed("tools", || install_tools(missing))?;
        engine.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
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

/// Makes a command that finds the project's own tools before all others.
pub fn tool(words: &[&str]) -> Result<Command> {
    let path = env::var_os("PATH").unwrap_or_default();
    let ours = env::current_dir()?.join(TOOLS).join("bin");
    let mut command = command(words);
    command.env(
        "PATH",
        env::join_paths(std::iter::once(ours).chain(env::split_paths(&path)))?,
    );
    // Trunk takes this variable for a flag of its own, and rejects its usual value, 1.
    command.env_remove("NO_COLOR");
    Ok(command)
}

/// A program of the project's own.
struct Tool {
    program: &'static str,
    package: &'static str,
    version: String,
    /// Options for building it from source.
    options: &'static [&'static str],
}

/// Lists the tools that are missing: trunk, and the wasm-bindgen that matches Cargo.lock, since other versions refuse to work.
fn missing_tools() -> Result<Vec<Tool>> {
    let tools = [
        // It only builds and serves on this machine: no TLS, no check for updates.
        Tool {
            program: "trunk",
            package: "trunk",
            version: TRUNK.into(),
            options: &["--locked", "--no-default-features"],
        },
        // Not `--locked`: its lock file names a crate version that the registry lacks.
        Tool {
            program: "wasm-bindgen",
            package: "wasm-bindgen-cli",
            version: locked_version("wasm-bindgen")?,
            options: &[
                "--no-default-features",
                "--bin",
                "wasm-bindgen",
                // It reads and writes the whole engine.
                "--config=profile.release.package.walrus.opt-level=1",
                "--config=profile.release.package.wasmparser.opt-level=1",
                "--config=profile.release.package.wasm-encoder.opt-level=1",
                "--config=profile.release.package.wasm-bindgen-cli-support.opt-level=1",
            ],
        },
    ];
    let mut missing = Vec::new();
    for wanted in tools {
        let found = output(&mut tool(&[wanted.program, "--version"])?);
        if found.and_then(|text| text.split_whitespace().nth(1).map(str::to_owned))
            != Some(wanted.version.clone())
        {
            missing.push(wanted);
        }
    }
    Ok(missing)
}

fn install_tools(tools: Vec<Tool>) -> Result<()> {
    for tool in tools {
        println!("Installing {} {} into {TOOLS}/", tool.program, tool.version);
        let package = format!("{}@{}", tool.package, tool.version);
        if !install_binary(&package) {
            timed(tool.program, || install_source(&package, tool.options))?;
        }
    }
    let _ = fs::remove_dir_all(build_folder()); // absent if nothing was built
    Ok(())
}

/// Tries cargo-binstall, which fetches a prebuilt program.
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

/// Builds a tool from source, not optimised: these programs mostly wait for cargo.
fn install_source(package: &str, options: &[&str]) -> Result<()> {
    println!("Building {package} from source takes some minutes, once");
    let mut install = command(&["cargo", "install", "--root", TOOLS, package]);
    let profile = [
        ("OPT_LEVEL", "0"),
        ("LTO", "off"),
        ("CODEGEN_UNITS", "16"),
        ("DEBUG", "false"),
    ];
    for (setting, value) in profile {
        install.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
    }
    // One folder for all tools, so that crates they share are built once.
    run(install
        .args(options)
        .env("CARGO_TARGET_DIR", build_folder()))
}

fn build_folder() -> PathBuf {
    Path::new(TOOLS).join("build")
}

/// Returns the version of a crate in Cargo.lock.
fn locked_version(name: &str) -> Result<String> {
    let lock = fs::read_to_string("Cargo.lock").context("Cargo.lock is missing")?;
    let entry = format!("name = \"{name}\"\nversion = \"");
    let version = lock
        .replace('\r', "")
        .split_once(&entry)
        .and_then(|(_, rest)| Some(rest.split_once('"')?.0.to_owned()));
    version.with_context(|| format!("Cargo.lock does not have {name}"))
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
