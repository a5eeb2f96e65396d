//! The page: served during development, or built into a folder.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::process::{command, output, run};
use crate::setup;

const PORT: u16 = 8080;

/// How the engine is linked.
#[derive(Clone, Copy)]
pub enum Link {
    /// As the profile `page` says: small, and slow to build.
    Full,
    /// Without link-time optimisation across crates: larger, for serving on this machine.
    Quick,
}

impl Link {
    /// Overrides the profile `page`.
    fn apply(self, command: &mut Command) {
        if let Link::Quick = self {
            command.env("CARGO_PROFILE_PAGE_LTO", "false");
            command.env("CARGO_PROFILE_PAGE_CODEGEN_UNITS", "16");
        }
    }
}

/// Makes the command that compiles the engine, as trunk runs it: trunk then finds it compiled.
pub fn engine(link: Link) -> Command {
    let mut engine = command(&["cargo", "build", "--target", setup::WASM, "--bin", "worker"]);
    engine.args(["--profile", "page"]);
    link.apply(&mut engine);
    engine
}

/// Builds the page, serves it until interrupted, and builds it again whenever a file changes.
pub fn serve(options: &[&str]) -> Result<()> {
    let (release, port) = serve_options(options)?;
    // Checked now, not at the end of the build.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("Port {port} is in use: choose another with --port"))?;
    setup::page(match release {
        true => engine(Link::Quick),
        false => command(&["cargo", "build", "--target", setup::WASM, "--bin", "worker"]),
    })?;

    let mut trunk = setup::tool(&["trunk", "serve", "--port", &port.to_string()])?;
    if release {
        trunk.arg("--release");
        Link::Quick.apply(&mut trunk);
    }
    if has_display() {
        trunk.arg("--open");
    }
    println!("Building the page takes some minutes the first time");
    let mut trunk = trunk.spawn().context("trunk did not start")?;
    announce(&mut trunk, port)?;
    let status = trunk.wait()?;
    ensure!(status.success(), "trunk ended ({status})");
    Ok(())
}

fn serve_options(options: &[&str]) -> Result<(bool, u16)> {
    let (mut release, mut port) = (false, PORT);
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match *option {
            "--release" => release = true,
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
    Ok((release, port))
}

/// Waits until the page answers, which is after its first build, and prints its address.
fn announce(trunk: &mut Child, port: u16) -> Result<()> {
    let start = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect(address).is_err() {
        if trunk.try_wait()?.is_some() {
            return Ok(());
        }
        sleep(Duration::from_millis(200));
    }
    println!("{:>8.1} s  page", start.elapsed().as_secs_f64());
    println!("\nOpen http://{address}/ in a browser. Ctrl-C stops the server.\n");
    Ok(())
}

fn has_display() -> bool {
    let named = |variable| env::var_os(variable).is_some();
    !named("CI")
        && (cfg!(windows)
            || cfg!(target_os = "macos")
            || named("DISPLAY")
            || named("WAYLAND_DISPLAY"))
}

/// Makes the command that builds the optimised page in `dist`.
pub fn build(link: Link) -> Result<Command> {
    let mut trunk = setup::tool(&["trunk", "build", "--release"])?;
    link.apply(&mut trunk);
    Ok(trunk)
}

/// The engine, which is nearly all of what a visitor loads.
const ENGINE: &str = "dist/worker_bg.wasm";
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

/// Builds the folder, and prints the sizes of the engine.
///
/// # Errors
/// The page does not build, or the engine is too large.
pub fn dist() -> Result<()> {
    setup::page(engine(Link::Full))?;
    run(&mut build(Link::Full)?)?;
    println!("Shrinking and compressing the engine");
    run(command(&["node", WASM_OPT, ENGINE, "--output", ENGINE]).args(PASSES))?;
    let sizes = output(&mut command(&["node", "--eval", COMPRESS, ENGINE]))
        .context("Node could not compress the engine")?;
    let sizes: Vec<u64> = sizes
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [raw, gzip, brotli] = sizes[..] else {
        bail!("Node printed {} sizes instead of three", sizes.len());
    };
    let [raw_shown, gzip, brotli_shown] = [raw, gzip, brotli].map(megabytes);
    println!("{ENGINE}: {raw_shown}, gzip {gzip}, brotli {brotli_shown}");
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
const { readFileSync, writeFileSync } = require("node:fs");
const { brotliCompressSync, gzipSync, constants } = require("node:zlib");
const path = process.argv[1];
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
