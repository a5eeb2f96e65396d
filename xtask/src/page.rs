//! The page: served while one works on it, or built into a folder.

use std::env;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::{command, run};
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

/// Builds the folder and says what its visitors will load.
pub fn dist() -> Result<()> {
    setup::page()?;
    run(&mut build()?)?;
    run(&mut command(&["node", "--eval", SIZES]))?;
    println!("dist/ is complete: any static host can serve it, from any path.");
    Ok(())
}

/// Node has both compressors on board. Brotli's best setting takes a minute and gains some percent on this one.
const SIZES: &str = r#"
const { readdirSync, readFileSync } = require("node:fs");
const { brotliCompressSync, gzipSync, constants } = require("node:zlib");
const shown = (bytes) => (bytes.length / 1e6).toFixed(2) + " MB";
for (const name of readdirSync("dist").filter((name) => name.endsWith(".wasm"))) {
  const wasm = readFileSync("dist/" + name);
  const brotli = brotliCompressSync(wasm, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
  console.log(`${name}: ${shown(wasm)}, gzip ${shown(gzipSync(wasm))}, brotli ${shown(brotli)}`);
}
"#;
