//! The half that runs in a worker of a browser, under the page's own `worker_loader.js`: one message asks, one answers.

use autolink::ops::cpu::helpers;
use autolink::web::{self, gpu};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use web_time::{Duration, Instant};

use crate::findings::Run;
use crate::measure::{self, Plan};

/// For the other cores to load their engines.
const PATIENCE: Duration = Duration::from_secs(60);

#[wasm_bindgen]
extern "C" {
    /// How far it has come, for whoever waits.
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    pub fn say(line: &str);
}

#[derive(Deserialize)]
struct Question {
    /// `gpu`, `flex` or `flex-one-core`.
    kind: String,
    quick: bool,
    steps_only: bool,
    /// Those of [`autolink::loss::WEIGHTS_FILES`].
    weights: Vec<ByteBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Booted,
    /// JSON.
    Found(String),
    Failed(String),
}

pub fn main() {
    web::run_constructors();
    std::panic::set_hook(Box::new(console_error_panic_hook::hook));
    helpers::worker_loop();
    let listener = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| {
        spawn_local(async move {
            let found = answer(event.data()).await;
            post(&found.map_or_else(Answer::Failed, Answer::Found));
        });
    });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    listener.forget(); // It listens for as long as the worker lives.
    post(&Answer::Booted);
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn post(answer: &Answer) {
    let value = serde_wasm_bindgen::to_value(answer).expect("words cross");
    scope().post_message(&value).expect("the page is there");
}

async fn answer(question: JsValue) -> Result<String, String> {
    let question = serde_wasm_bindgen::from_value(question).map_err(|error| error.to_string())?;
    let run = run(question).await?;
    serde_json::to_string(&run).map_err(|error| error.to_string())
}

async fn run(question: Question) -> Result<Run, String> {
    let Question {
        kind,
        quick,
        steps_only,
        weights,
    } = question;
    let weights: Vec<Vec<u8>> = weights.into_iter().map(ByteBuf::into_vec).collect();
    let is_alone = kind == "flex-one-core";
    if kind == "gpu" {
        let adapter = gpu::adapter().await?;
        let device = adapter.open().await.map_err(|error| error.to_string())?;
        let name = match adapter.name.to_lowercase().contains("swiftshader") {
            true => "swiftshader",
            false => &adapter.name,
        };
        let plan = Plan {
            quick,
            steps_only,
            cores: 1,
        };
        let place = format!("chromium-{name}");
        return Ok(measure::run(&device, place, adapter.name.clone(), &weights, plan).await);
    }
    let cores = if is_alone { 1 } else { hire().await? };
    let plan = Plan {
        quick,
        steps_only: steps_only || is_alone,
        cores: cores as usize,
    };
    let (place, adapter) = (format!("wasm-{kind}"), format!("cores: {cores}"));
    Ok(measure::run(&Device::flex(), place, adapter, &weights, plan).await)
}

/// All cores, once they are at work: nothing else lets the event loop take a turn here, without which none would come.
async fn hire() -> Result<u32, String> {
    let cores = 1 + helpers::spawn_workers();
    let start = Instant::now();
    while helpers::ready_workers() + 1 < cores {
        if start.elapsed() > PATIENCE {
            return Err("The other cores do not come.".into());
        }
        web::sleep(50).await;
    }
    Ok(cores)
}
