//! AutoLink on the command line: train a model, detect keypoints with it, measure it.

mod args;
mod convert;
mod exam;
mod files;
mod find;
mod log;
mod models;
mod output;
mod save;
mod signals;
mod train;

fn main() -> std::process::ExitCode {
    use args::Command;
    use autolink::error::ErrorKind;
    use autolink::session::Event;
    use clap::Parser;
    use std::process::ExitCode;

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
        let message = format!("{error:#}");
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
