//! Messages between worker and page: commands in, events and files out.

use js_sys::{Array, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, DedicatedWorkerGlobalScope};
use web_time::{Duration, Instant};

use super::files::Files;
use crate::error::{Error, ErrorKind};
use crate::session::{Command, Event, StepReport};
use crate::web::fetch;

/// Time between two reports of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// A command with its files and their names.
pub(super) struct Message {
    pub(super) id: u32,
    pub(super) command: Command,
    pub(super) files: Files,
    /// Pixels of a frame; empty otherwise.
    pub(super) pixels: Vec<u8>,
}

/// Parses `{id, command, files?, names?, pixels?}`.
pub(super) fn parse(data: &JsValue) -> std::result::Result<Message, Box<Event>> {
    let get = |key: &str| Reflect::get(data, &key.into()).unwrap_or(JsValue::UNDEFINED);
    let id = get("id").as_f64().map(|id| id as u32);
    let unknown = |reason: String| {
        Box::new(Event::Failed {
            id,
            kind: ErrorKind::Setting,
            message: format!("The page sent an unknown command ({reason}). Reload the page."),
        })
    };
    let command = serde_wasm_bindgen::from_value(get("command"))
        .map_err(|error| unknown(error.to_string()))?;
    let names = get("names").dyn_into::<Array>().unwrap_or_default();
    let files = get("files").dyn_into::<Array>().unwrap_or_default();
    let files = files
        .iter()
        .enumerate()
        .filter_map(|(i, file)| {
            let name = names
                .get(i as u32)
                .as_string()
                .or_else(|| Reflect::get(&file, &"name".into()).ok()?.as_string());
            Some((
                name.unwrap_or_else(|| "image".into()),
                file.dyn_into().ok()?,
            ))
        })
        .collect();
    let pixels = get("pixels").dyn_into::<Uint8Array>();
    Ok(Message {
        pixels: pixels.map(|pixels| pixels.to_vec()).unwrap_or_default(),
        id: id.ok_or_else(|| unknown("it has no id".into()))?,
        command,
        files,
    })
}

/// Sends an event to the page. Bytes become `Uint8Array`s, which are transferred without a copy.
pub(super) fn post(event: &Event) {
    let serializer =
        serde_wasm_bindgen::Serializer::json_compatible().serialize_bytes_as_arrays(false);
    let (Ok(scope), Ok(value)) = (fetch::scope(), event.serialize(&serializer)) else {
        return;
    };
    post_value(event, &scope, &value);
}

/// Sends the serialized form of an event.
fn post_value(event: &Event, scope: &DedicatedWorkerGlobalScope, value: &JsValue) {
    let transferred = Array::new();
    let keys: &[&str] = match event {
        Event::Views(_)
        | Event::Snapshot(_)
        | Event::Transferred { .. }
        | Event::Thumbnails { .. } => &["pixels"],
        Event::Inspected(_) => &["pixels", "heatmaps", "mask"],
        Event::Project(_) => &["points"],
        Event::Saved { .. } => &["bytes"],
        _ => &[],
    };
    for &key in keys {
        let bytes = Reflect::get(value, &key.into()).map(JsCast::dyn_into::<Uint8Array>);
        if let Ok(Ok(bytes)) = bytes {
            transferred.push(&bytes.buffer());
        }
    }
    let _ = scope.post_message_with_transfer(value, &transferred);
}

/// Sends a file of the browser's to the page.
pub(super) fn post_file(id: u32, name: String, file: &Blob) {
    let event = Event::Exported { id, name, file: () };
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    if let (Ok(scope), Ok(value)) = (fetch::scope(), event.serialize(&serializer)) {
        let _ = Reflect::set(&value, &"file".into(), file);
        post_value(&event, &scope, &value);
    }
}

/// Sends the reports of steps.
pub(super) fn post_steps(reports: Vec<StepReport>) {
    for StepReport {
        step,
        loss,
        steps_per_second,
        elapsed_seconds,
    } in reports
    {
        post(&Event::Step {
            step,
            loss,
            steps_per_second,
            elapsed_seconds,
        });
    }
}

/// Sends an error, of the command with this id where one failed.
pub(super) fn fail(id: Option<u32>, error: &Error) {
    post(&Event::Failed {
        id,
        kind: error.kind(),
        message: error.message_with_source(),
    });
}

/// Reports progress, some ten times a second.
pub(super) struct Progress {
    what: &'static str,
    is_bytes: bool,
    last: Option<Instant>,
}

impl Progress {
    /// Counts items.
    pub(super) fn new(what: &'static str) -> Self {
        Self {
            what,
            is_bytes: false,
            last: None,
        }
    }

    /// Counts bytes.
    pub(super) fn in_bytes(what: &'static str) -> Self {
        Self {
            is_bytes: true,
            ..Self::new(what)
        }
    }

    pub(super) fn report(&mut self, done: usize, total: Option<usize>) {
        if self
            .last
            .is_none_or(|last| last.elapsed() >= PROGRESS_EVERY)
            || Some(done) == total
        {
            self.last = Some(Instant::now());
            post(&Event::Progress {
                what: self.what.into(),
                done,
                total,
                is_bytes: self.is_bytes,
            });
        }
    }
}
