//! The page: served during development, or built into a folder.

use std::env;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use wasm_bindgen_cli_support::Bindgen;

use crate::process::{command, npm, output, run};
use crate::setup;

const PORT: u16 = 8080;

/// The folder from which `vite.config.js` takes the engine.
const ENGINE_FOLDER: &str = "target/page/engine";
/// The variable that tells `vite.config.js`, while it watches, how to build the engine again.
const OPTIONS: &str = "AUTOLINK_ENGINE";
/// The variable that tells `vite.config.js` that browsers are to keep nothing, so that a reload shows each change.
const SERVED: &str = "AUTOLINK_SERVED";

/// A profile of Cargo.toml that builds the engine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Profile {
    /// Not optimised, with checks of overflow.
    Dev,
    /// Quick to build, large: for serving on this machine and for tests.
    Serve,
    /// Small, and slow to build: for visitors.
    Page,
}

impl Profile {
    /// Returns its name in Cargo.toml, and the folder of what it builds.
    fn names(self) -> [&'static str; 2] {
        match self {
            Profile::Dev => ["dev", "debug"],
            Profile::Serve => ["serve", "serve"],
            Profile::Page => ["page", "page"],
        }
    }
}

/// Makes the command that compiles the engine.
pub fn engine(profile: Profile) -> Command {
    let [name, _] = profile.names();
    let target = ["--target", setup::WASM, "--profile", name];
    let build = [&["cargo", "build", "--bin", "worker"], &target[..]].concat();
    command(&build)
}

/// Makes a module that browsers load, `worker.js` and `worker_bg.wasm`, of a compiled program.
///
/// # Errors
/// The program is missing, or not made for a browser.
pub fn bind(wasm: &str, folder: &str) -> Result<()> {
    let start = Instant::now();
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .out_name("worker")
        .typescript(false);
    bindgen.web(true)?.generate(folder)?;
    println!(
        "{:>8.1} s  bindings of the engine",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Binds the compiled engine, for `vite.config.js`.
///
/// # Errors
/// It is not compiled.
pub fn bind_engine(profile: Profile) -> Result<()> {
    let [_, folder] = profile.names();
    let wasm = format!("target/{}/{folder}/worker.wasm", setup::WASM);
    bind(&wasm, ENGINE_FOLDER)
}

/// Makes a command of Vite.
pub fn vite(words: &[&str]) -> Command {
    npm(&[&["npx", "vite"], words].concat())
}

/// Installs what building the page needs, and builds the engine for `vite.config.js`.
///
/// # Errors
/// Something cannot be installed, or the engine does not build.
fn install_and_build_engine(profile: Profile) -> Result<()> {
    setup::page()?;
    run(&mut engine(profile))?;
    bind_engine(profile)
}

/// Builds the page into `dist`.
///
/// # Errors
/// Something cannot be installed, or does not build.
pub fn build(profile: Profile) -> Result<()> {
    install_and_build_engine(profile)?;
    run(&mut vite(&["build"]))
}

/// Builds the engine alone: `cargo xtask engine [--release]`.
///
/// # Errors
/// Something cannot be installed, or the engine does not build.
pub fn engine_only(options: &[&str]) -> Result<()> {
    install_and_build_engine(match options {
        [] => Profile::Dev,
        ["--release"] => Profile::Serve,
        _ => bail!("The only option of `cargo xtask engine` is --release"),
    })
}

/// Builds the page, serves it until interrupted, and builds it again whenever a file changes.
///
/// # Errors
/// Something cannot be installed, or the page does not build.
pub fn serve(options: &[&str]) -> Result<()> {
    let (profile, port) = serve_options(options)?;
    // Checked now, not at the end of the build.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("Port {port} is in use: choose another with --port"))?;
    println!("Building the page takes some minutes the first time");
    install_and_build_engine(profile)?;
    run(vite(&["build"]).env(SERVED, "1"))?;
    let mut watch = vite(&["build", "--watch", "--logLevel", "warn"]);
    watch.env(SERVED, "1");
    if profile == Profile::Serve {
        watch.env(OPTIONS, "--release");
    }
    let mut watch = watch.spawn().context("Vite did not start")?;
    let mut preview = vite(&["preview", "--host", "127.0.0.1", "--strictPort"]);
    preview.args(["--port", &port.to_string(), "--logLevel", "warn"]);
    if has_display() {
        preview.arg("--open");
    }
    println!("\nOpen http://127.0.0.1:{port}/ in a browser. Ctrl-C stops the server.\n");
    let served = run(&mut preview);
    let _ = watch.kill(); // It may have ended as well.
    served
}

fn serve_options(options: &[&str]) -> Result<(Profile, u16)> {
    let (mut profile, mut port) = (Profile::Dev, PORT);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--release" => profile = Profile::Serve,
            "--port" => {
                let number = options.next().context("--port needs a number")?;
                port = number
                    .parse()
                    .with_context(|| format!("{number} is not a port"))?;
            }
            other => bail!(
                "`{other}` is not an option of `cargo xtask serve`: it has --release and --port N"
            ),
        }
    }
    Ok((profile, port))
}

fn has_display() -> bool {
    let named = |variable| env::var_os(variable).is_some();
    !named("CI")
        && (cfg!(windows)
            || cfg!(target_os = "macos")
            || named("DISPLAY")
            || named("WAYLAND_DISPLAY"))
}

/// Largest sizes of the engine, bytes: as it is, and with brotli.
const LIMITS: [u64; 2] = [12_000_000, 2_500_000];

const WASM_OPT: &str = "node_modules/binaryen/bin/wasm-opt";
/// Features of wasm that rustc may use, and the passes that gain most for their time: they merge functions that are equal or differ in
/// a constant or two, and code that branches share at their ends. All passes (-Oz) take minutes.
const PASSES: [&str; 11] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--duplicate-function-elimination",
    "--merge-similar-functions",
    "--code-folding",
    "--duplicate-function-elimination",
];

/// Installs what building the page needs, and builds the engine for visitors.
///
/// # Errors
/// Something cannot be installed, or the engine does not build.
fn small_engine() -> Result<()> {
    install_and_build_engine(Profile::Page)?;
    println!("Shrinking the engine");
    let bound = format!("{ENGINE_FOLDER}/worker_bg.wasm");
    run(command(&["node", WASM_OPT, &bound, "--output", &bound]).args(PASSES))
}

const PACKAGE_FOLDER: &str = "target/package";

/// Makes the tarball of the package for other pages, with the engine as it is.
///
/// # Errors
/// The package does not build.
pub fn pack() -> Result<()> {
    if Path::new(PACKAGE_FOLDER).exists() {
        fs::remove_dir_all(PACKAGE_FOLDER)?; // it may hold the tarball of another version
    }
    run(&mut vite(&["build", "--mode", "package"]))?;
    run(&mut npm(&["npx", "tsc", "--project", "www/embed"]))?;
    let folder = format!("./{PACKAGE_FOLDER}/autolink");
    run(&mut npm(&[
        "npm",
        "pack",
        &folder,
        "--pack-destination",
        PACKAGE_FOLDER,
    ]))
}

/// Builds the package for other pages, with the engine for visitors: `cargo xtask package`.
///
/// # Errors
/// Something cannot be installed, or the package does not build.
pub fn package() -> Result<()> {
    small_engine()?;
    pack()
}

/// Builds the folder, and prints the sizes of the engine.
///
/// # Errors
/// The page does not build, or the engine is too large.
pub fn dist() -> Result<()> {
    small_engine()?;
    println!("Compressing the engine");
    run(&mut vite(&["build"]))?;
    let sizes = output(&mut command(&["node", "--eval", COMPRESS]))
        .context("Node could not compress the engine")?;
    let sizes: Vec<u64> = sizes
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [raw, gzip, brotli] = sizes[..] else {
        bail!("Node printed {} sizes instead of three", sizes.len());
    };
    let [raw_shown, gzip, brotli_shown] = [raw, gzip, brotli].map(megabytes);
    println!("The engine: {raw_shown}, gzip {gzip}, brotli {brotli_shown}");
    ensure!(
        raw <= LIMITS[0] && brotli <= LIMITS[1],
        "The engine is too large: it has {raw} bytes of at most {}, and {brotli} with brotli of at most {}.",
        LIMITS[0],
        LIMITS[1]
    );
    println!("dist/ is complete: any static host can serve it, from any path.");
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

/// Compresses with gzip and brotli as well as they can, in half a minute; Node has both. The result stays beside the file, for hosts
/// that serve compressed files.
const COMPRESS: &str = r#"
const { readFileSync, readdirSync, writeFileSync } = require("node:fs");
const { brotliCompressSync, gzipSync, constants } = require("node:zlib");
const path = `dist/${readdirSync("dist").find((name) => name.startsWith("engine-"))}/worker_bg.wasm`;
const bytes = readFileSync(path);
const params = {
  [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
  [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
  [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
};
const brotli = brotliCompressSync(bytes, { params });
writeFileSync(path + ".br", brotli);
console.log(bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length);
"#;
