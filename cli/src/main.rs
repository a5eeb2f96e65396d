//! AutoLink on the command line: trains a model, detects keypoints with it, and measures it.

mod annotate;
mod args;
mod convert;
mod detect;
mod eval;
mod export;
mod files;
mod flips;
mod labelled;
mod landmarks;
mod log;
mod models;
mod output;
mod save;
mod signals;
mod trace;
mod train;
mod video;

use std::process::ExitCode;

use args::Command;
use autolink::error::ErrorKind;
use autolink::session::Event;
use clap::Parser;

fn main() -> ExitCode {
    trace::init();
    let cli = args::Cli::parse();
    let reporter = output::Reporter { json: cli.json };
    let done = match &cli.command {
        Command::Train(options) => train::train(options, &reporter),
        Command::Detect(options) => succeeded(detect::detect(options, &reporter)),
        Command::Eval(options) => succeeded(eval::evaluate(options, &reporter)),
        Command::Annotate(options) => annotate::annotate(options, &reporter),
        Command::Landmarks(options) => landmarks::landmarks(options, &reporter),
        Command::Convert(options) => succeeded(convert::convert(options)),
        Command::Export(options) => succeeded(export::export(options)),
    };
    done.unwrap_or_else(|error| {
        let message = output::message(&error);
        if cli.json {
            let kind = (error.downcast_ref()).map_or(ErrorKind::File, autolink::Error::kind);
            reporter.event(&Event::Failed {
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

fn succeeded(done: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
    done.map(|()| ExitCode::SUCCESS)
}
