//! Measurements in a worker of a browser, started by the page's own `worker_loader.js`: one message asks, one answers.

use autolink::web::{self, cores, gpu};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};
use web_time::{Duration, Instant};

use crate::findings::Run;
use crate::measure::{self, Plan};

/// Time limit for the other workers to load their engines.
const WORKER_TIMEOUT: Duration = Duration::from_secs(60);

#[wasm_bindgen]
extern "C" {
    /// Prints progress to the console.
    #[wasm_bindgen(js_namespace = console, js_name = log)]
    pub fn progress(line: &str);
}

#[derive(Deserialize)]
struct Request {
    /// `gpu`, `flex` or `flex-one-core`.
    kind: String,
    quick: bool,
    steps_only: bool,
    /// The contents of [`autolink::loss::WEIGHTS_FILES`].
    weights: Vec<ByteBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Booted,
    /// A [`Run`] as JSON.
    Found(String),
    Failed(String),
}

pub fn main() {
    web::run_constructors();
    std::panic::set_hook(Box::new(console_error_panic_hook::hook));
    cores::worker_loop();
    let listener = Closure::<dyn Fn(MessageEvent)>::new(|event: MessageEvent| {
        spawn_local(async move {
            let found = answer(event.data()).await;
            post(&found.map_or_else(Answer::Failed, Answer::Found));
        });
    });
    scope().set_onmessage(Some(listener.as_ref().unchecked_ref()));
    listener.forget(); // It listens until the worker ends.
    post(&Answer::Booted);
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

fn post(answer: &Answer) {
    let value = serde_wasm_bindgen::to_value(answer).expect("words cross");
    scope().post_message(&value).expect("the page is there");
}

async fn answer(request: JsValue) -> Result<String, String> {
    let request = serde_wasm_bindgen::from_value(request).map_err(|error| error.to_string())?;
    let run = run(request).await?;
    serde_json::to_string(&run).map_err(|error| error.to_string())
}

async fn run(request: Request) -> Result<Run, String> {
    let Request {
        kind,
        quick,
        steps_only,
        weights,
    } = request;
    let weights: Vec<Vec<u8>> = weights.into_iter().map(ByteBuf::into_vec).collect();
    let is_one_core = kind == "flex-one-core";
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
        let environment = format!("chromium-{name}");
        return Ok(measure::run(&device, environment, adapter.name.clone(), &weights, plan).await);
    }
    let cores = if is_one_core {
        1
    } else {
        spawn_workers().await?
    };
    let plan = Plan {
        quick,
        steps_only: steps_only || is_one_core,
        cores: cores as usize,
    };
    let (environment, adapter) = (format!("wasm-{kind}"), format!("cores: {cores}"));
    Ok(measure::run(&Device::flex(), environment, adapter, &weights, plan).await)
}

/// Starts the workers for the other cores, and waits until they are ready. Sleeping yields to the event loop, which they need to
/// start. Returns the number of cores.
async fn spawn_workers() -> Result<u32, String> {
    let cores = 1 + cores::spawn_workers();
    let start = Instant::now();
    while cores::ready_workers() + 1 < cores {
        if start.elapsed() > WORKER_TIMEOUT {
            return Err("The workers for the other cores did not start.".into());
        }
        web::sleep(50).await;
    }
    Ok(cores)
}
