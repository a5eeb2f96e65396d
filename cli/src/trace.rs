//! Shows the events of the library's `tracing`.

use tracing_subscriber::filter::LevelFilter;

/// Writes events to standard error from the level in `RUST_LOG` on: `off`, `error`, `warn` (the default), `info`, `debug` or `trace`.
pub fn init() {
    let level = std::env::var("RUST_LOG").unwrap_or_default();
    let level = match level.as_str() {
        "" => LevelFilter::WARN,
        level => level.parse().unwrap_or(LevelFilter::WARN),
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .log_internal_errors(false) // a closed terminal must not end a run
        .init();
}
