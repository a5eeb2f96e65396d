//! The page: served while one works on it, or built into a folder.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{command, output, run};
use crate::setup;

const PORT: u16 = 8080;

/// Builds the page, serves it until interrupted, and builds it again whenever a file changes.
pub fn serve(options: &[&str]) -> Result<()> {
    let (release, port) = serve_options(options)?;
    // Found out now, not at the end of the build.
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .with_context(|| format!("Port {port} is not free: choose another with --port"))?;
    setup::page()?;

    let mut trunk = setup::tool(&["trunk", "serve", "--port", &port.to_string()])?;
    if release {
        trunk.arg("--release");
    }
    if has_display() {
        trunk.arg("--open");
    }
    println!("Building the page; the first time takes some minutes");
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
                let number = options.next().context("--port wants a number")?;
                port = number
                    .parse()
                    .with_context(|| format!("{number} is no port"))?;
            }
            other => bail!("serve knows --release and --port N, not {other}"),
        }
    }
    Ok((release, port))
}

/// Waits until the page answers, which is after its first build, and says where it is.
fn announce(trunk: &mut Child, port: u16) -> Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    while TcpStream::connect(address).is_err() {
        if trunk.try_wait()?.is_some() {
            return Ok(());
        }
        sleep(Duration::from_millis(200));
    }
    println!("\nOpen http://{address}/ in a browser. Ctrl-C ends it.\n");
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

/// The optimised page in `dist`.
pub fn build() -> Result<Command> {
    setup::tool(&["trunk", "build", "--release"])
}

/// The engine, which is nearly all that a visitor loads.
const ENGINE: &str = "dist/worker_bg.wasm";
/// It may be no larger, in bytes: as it is, and with brotli.
const LIMITS: [u64; 2] = [12_000_000, 2_500_000];

const WASM_OPT: &str = "node_modules/binaryen/bin/wasm-opt";
/// What rustc may have used of wasm; and what gains most for its time: functions that are the same become one, as do those that differ in
/// a constant or two. Everything that it knows (-Oz) takes minutes.
const PASSES: [&str; 10] = [
    "--enable-simd",
    "--enable-bulk-memory",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
    "--enable-mutable-globals",
    "--enable-reference-types",
    "--enable-multivalue",
    "--duplicate-function-elimination",
    "--merge-similar-functions",
    "--duplicate-function-elimination",
];

/// Builds the folder and says what its visitors will load.
///
/// # Errors
/// Also where the engine is larger than it may be.
pub fn dist() -> Result<()> {
    setup::page()?;
    run(&mut build()?)?;
    println!("Shrinking and compressing the engine");
    run(command(&["node", WASM_OPT, ENGINE, "--output", ENGINE]).args(PASSES))?;
    let sizes = output(&mut command(&["node", "--eval", COMPRESS, ENGINE]))
        .context("Node could not compress the engine")?;
    let sizes: Vec<u64> = sizes
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [raw, gzip, brotli] = sizes[..] else {
        bail!("Node told {} sizes of three", sizes.len());
    };
    let [raw_shown, gzip, brotli_shown] = [raw, gzip, brotli].map(megabytes);
    println!("{ENGINE}: {raw_shown}, gzip {gzip}, brotli {brotli_shown}");
    ensure!(
        raw <= LIMITS[0] && brotli <= LIMITS[1],
        "The engine is too large: {raw} bytes where {} are allowed, {brotli} with brotli where {} are.",
        LIMITS[0],
        LIMITS[1]
    );
    println!("dist/ is complete: any static host can serve it, from any path.");
    Ok(())
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2} MB", bytes as f64 / 1e6)
}

/// Node has both compressors on board, and this is the best that each can do; half a minute. The result is left beside the file for
/// hosts that send what is prepared.
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
