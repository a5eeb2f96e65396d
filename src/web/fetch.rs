//! Downloads, and turns for the event loop.

use js_sys::{Promise, Reflect, Uint8Array};
use safetensors::SafeTensors;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Cache, DedicatedWorkerGlobalScope, MessageChannel, ReadableStreamDefaultReader,
    RequestInit, Response,
};

use crate::error::{Error, Result};

/// Name of the browser's cache of the perceptual weights; it changes when the files do.
const CACHE: &str = "autolink-weights-1";
/// Number of attempts at a download.
const MAX_ATTEMPTS: u32 = 3;

/// Returns the worker's global object.
///
/// # Errors
/// The code does not run in a dedicated worker.
pub fn scope() -> std::result::Result<DedicatedWorkerGlobalScope, JsValue> {
    js_sys::global()
        .dyn_into::<DedicatedWorkerGlobalScope>()
        .map_err(JsValue::from)
}

/// Gives the event loop a turn: a macrotask without the 4 ms of `setTimeout`.
pub async fn turn(channel: &MessageChannel) {
    let promise = Promise::new(&mut |resolve, _| {
        channel.port1().set_onmessage(Some(&resolve));
        let _ = channel.port2().post_message(&JsValue::NULL);
    });
    let _ = JsFuture::from(promise).await;
}

/// Sleeps without blocking the event loop.
pub async fn sleep(milliseconds: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        let slept = scope().and_then(|scope| {
            scope.set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, milliseconds)
        });
        if slept.is_err() {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    });
    let _ = JsFuture::from(promise).await;
}

/// Downloads a file, and retries twice after a pause if that fails. `progress` gets the bytes so far and, where known, the total.
///
/// # Errors
/// [`Error::Network`] after the last attempt.
pub async fn bytes(
    url: &str,
    signal: Option<&AbortSignal>,
    mut progress: impl FnMut(usize, Option<usize>),
) -> Result<Vec<u8>> {
    let mut attempts = 1;
    loop {
        match attempt(url, signal, &mut progress).await {
            Ok(bytes) => return Ok(bytes),
            Err(reason) if attempts < MAX_ATTEMPTS && !signal.is_some_and(AbortSignal::aborted) => {
                tracing::warn!("{url} could not be downloaded and is tried again: {reason}");
                sleep(300 * 4_i32.pow(attempts - 1)).await;
                attempts += 1;
            }
            Err(reason) => {
                return Err(Error::Network(format!(
                    "{url} could not be downloaded ({reason}). Check the connection, then try again."
                )));
            }
        }
    }
}

async fn attempt(
    url: &str,
    signal: Option<&AbortSignal>,
    progress: &mut impl FnMut(usize, Option<usize>),
) -> std::result::Result<Vec<u8>, String> {
    let options = RequestInit::new();
    options.set_signal(signal);
    let request = scope()
        .map_err(error_text)?
        .fetch_with_str_and_init(url, &options);
    let response: Response = JsFuture::from(request)
        .await
        .map_err(error_text)?
        .dyn_into()
        .map_err(error_text)?;
    if !response.ok() {
        return Err(format!("the server answered {}", response.status()));
    }
    let total = response
        .headers()
        .get("content-length")
        .ok()
        .flatten()
        .and_then(|length| length.parse().ok());
    let Some(body) = response.body() else {
        return Err("the server's answer is empty".into());
    };
    let reader = ReadableStreamDefaultReader::new(&body).map_err(error_text)?;
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(error_text)?;
        if Reflect::get(&chunk, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            return Ok(bytes);
        }
        let chunk: Uint8Array = Reflect::get(&chunk, &"value".into())
            .map_err(error_text)?
            .dyn_into()
            .map_err(error_text)?;
        let start = bytes.len();
        bytes.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut bytes[start..]);
        progress(bytes.len(), total);
    }
}

/// Gets a file of weights from the browser's cache, or else downloads it and stores it there.
///
/// # Errors
/// [`Error::Network`], or [`Error::Weights`] where the download is not a file of weights.
pub async fn weights(url: &str, progress: impl FnMut(usize, Option<usize>)) -> Result<Vec<u8>> {
    // Without a secure context there is no cache; then each visit downloads.
    let cache = open_cache().await;
    let cache = cache
        .inspect_err(|_| tracing::info!("no cache for {url}"))
        .ok();
    if let Some(cache) = &cache
        && let Ok(bytes) = cached(cache, url).await
        && SafeTensors::deserialize(&bytes).is_ok()
    {
        return Ok(bytes);
    }
    let bytes = bytes(url, None, progress).await?;
    if let Err(error) = SafeTensors::deserialize(&bytes) {
        return Err(Error::Weights(format!(
            "{url} is not a weights file, or is incomplete ({error}). Check the connection, then try again."
        )));
    }
    if let Some(cache) = &cache
        && let Ok(response) =
            Response::new_with_opt_js_u8_array(Some(&Uint8Array::from(bytes.as_slice())))
    {
        // A full disk must not stop training.
        let _ = JsFuture::from(cache.put_with_str(url, &response)).await;
    }
    Ok(bytes)
}

async fn open_cache() -> std::result::Result<Cache, JsValue> {
    JsFuture::from(scope()?.caches()?.open(CACHE))
        .await?
        .dyn_into()
}

async fn cached(cache: &Cache, url: &str) -> std::result::Result<Vec<u8>, JsValue> {
    let response: Response = JsFuture::from(cache.match_with_str(url))
        .await?
        .dyn_into()?;
    Ok(Uint8Array::new(&JsFuture::from(response.array_buffer()?).await?).to_vec())
}

/// Returns the message of a JavaScript error.
pub fn error_text(error: JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "the browser gives no reason".into())
}
