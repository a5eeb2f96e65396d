//! Writes the events of `tracing` to the browser's console.

use std::fmt::{Debug, Write};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use wasm_bindgen::JsValue;
use web_sys::console;

use super::fetch;

/// Writes events from a level on: the level in the worker's name, `log:<level>`, otherwise warnings.
pub fn init() {
    let name = fetch::scope().map_or_else(|_| String::new(), |scope| scope.name());
    let level = name
        .strip_prefix("log:")
        .and_then(|level| level.parse().ok());
    let level = level.unwrap_or(LevelFilter::WARN);
    let _ = tracing::subscriber::set_global_default(Console(level)); // fails if there is one
}

/// A subscriber without spans. It is written by hand because `tracing-subscriber`, on which the crates for browsers build, is large.
struct Console(LevelFilter);

impl Subscriber for Console {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.0
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.0)
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line(metadata.target().into());
        event.record(&mut line);
        let line = JsValue::from(line.0);
        match *metadata.level() {
            Level::ERROR => console::error_1(&line),
            Level::WARN => console::warn_1(&line),
            _ => console::log_1(&line),
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// The target, message and fields of an event.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = match field.name() {
            "message" => write!(self.0, ": {value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
