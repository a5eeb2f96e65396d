//! AutoLink on the command line: train a model, detect keypoints with it, measure it.

#[cfg(not(target_family = "wasm"))]
mod args;
#[cfg(not(target_family = "wasm"))]
mod convert;
#[cfg(not(target_family = "wasm"))]
mod exam;
#[cfg(not(target_family = "wasm"))]
mod files;
#[cfg(not(target_family = "wasm"))]
mod find;
#[cfg(not(target_family = "wasm"))]
mod log;
#[cfg(not(target_family = "wasm"))]
mod models;
#[cfg(not(target_family = "wasm"))]
mod output;
#[cfg(not(target_family = "wasm"))]
mod save;
#[cfg(not(target_family = "wasm"))]
mod signals;
#[cfg(not(target_family = "wasm"))]
mod trace;
#[cfg(not(target_family = "wasm"))]
mod train;

#[cfg(not(target_family = "wasm"))]
fn main() -> std::process::ExitCode {
    use args::Command;
    use autolink::error::ErrorKind;
    use autolink::session::Event;
    use clap::Parser;
    use std::process::ExitCode;

    trace::init();
    let cli = args::Cli::parse();
    let voice = output::Reporter { json: cli.json };
    let done = match &cli.command {
        Command::Train(options) => train::train(options, &voice),
        Command::Detect(options) => find::detect(options, &voice).map(|()| ExitCode::SUCCESS),
        Command::Eval(options) => find::evaluate(options, &voice).map(|()| ExitCode::SUCCESS),
        Command::Annotate(options) => find::annotate(options, &voice).map(|()| ExitCode::SUCCESS),
        Command::Landmarks(options) => find::landmarks(options, &voice).map(|()| ExitCode::SUCCESS),
        Command::Convert(options) => convert::convert(options).map(|()| ExitCode::SUCCESS),
        Command::Export(options) => convert::export(options).map(|()| ExitCode::SUCCESS),
    };
    done.unwrap_or_else(|error| {
        let message = format!("{error:#}").replace(".: ", ": "); // a message, and its source after a colon
        if cli.json {
            let kind = (error.downcast_ref()).map_or(ErrorKind::File, autolink::Error::kind);
            voice.event(&Event::Failed {
                id: None,
                kind,
                message,
            });
        } else {
            output::warn(&message);
        }
        ExitCode::FAILURE
    })
}

/// The browser has a page and `worker`.
#[cfg(target_family = "wasm")]
fn main() {}
