//! Bytes from the network, and turns for the event loop.

use js_sys::{Promise, Reflect, Uint8Array};
use safetensors::SafeTensors;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortSignal, Cache, DedicatedWorkerGlobalScope, MessageChannel, ReadableStreamDefaultReader,
    RequestInit, Response,
};

use crate::error::{Error, Result};

/// Where the browser keeps the perceptual weights; a new name when the files change.
const CACHE: &str = "autolink-weights-1";
/// A download is tried so often.
const TRIES: u32 = 3;

/// The worker's global object.
///
/// # Errors
/// Outside of a dedicated worker.
pub fn scope() -> std::result::Result<DedicatedWorkerGlobalScope, JsValue> {
    js_sys::global()
        .dyn_into::<DedicatedWorkerGlobalScope>()
        .map_err(JsValue::from)
}

/// Lets the event loop take a turn: a macrotask without `setTimeout`'s 4 ms.
pub async fn turn(channel: &MessageChannel) {
    let promise = Promise::new(&mut |resolve, _| {
        channel.port1().set_onmessage(Some(&resolve));
        let _ = channel.port2().post_message(&JsValue::NULL);
    });
    let _ = JsFuture::from(promise).await;
}

/// Waits.
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

/// Downloads a file; on failure again, twice, a little later. `progress` hears bytes so far and, where known, of how many.
///
/// # Errors
/// [`Error::Network`] with a sentence.
pub async fn bytes(
    url: &str,
    signal: Option<&AbortSignal>,
    mut progress: impl FnMut(usize, Option<usize>),
) -> Result<Vec<u8>> {
    let mut tried = 1;
    loop {
        match attempt(url, signal, &mut progress).await {
            Ok(bytes) => return Ok(bytes),
            Err(reason) if tried < TRIES && !signal.is_some_and(AbortSignal::aborted) => {
                tracing::warn!("{url} could not be downloaded and is tried again: {reason}");
                sleep(300 * 4_i32.pow(tried - 1)).await;
                tried += 1;
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
        .map_err(said)?
        .fetch_with_str_and_init(url, &options);
    let response: Response = JsFuture::from(request)
        .await
        .map_err(said)?
        .dyn_into()
        .map_err(said)?;
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
    let reader = ReadableStreamDefaultReader::new(&body).map_err(said)?;
    let mut bytes = Vec::new();
    loop {
        let chunk = JsFuture::from(reader.read()).await.map_err(said)?;
        if Reflect::get(&chunk, &"done".into()).is_ok_and(|done| done.is_truthy()) {
            return Ok(bytes);
        }
        let chunk: Uint8Array = Reflect::get(&chunk, &"value".into())
            .map_err(said)?
            .dyn_into()
            .map_err(said)?;
        let start = bytes.len();
        bytes.resize(start + chunk.length() as usize, 0);
        chunk.copy_to(&mut bytes[start..]);
        progress(bytes.len(), total);
    }
}

/// A file of weights: from the browser's cache, else downloaded and put there.
///
/// # Errors
/// [`Error::Network`], or [`Error::Weights`] where what comes is no file of weights.
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
            "{url} is no file of weights, or only part of one ({error})."
        )));
    }
    if let Some(cache) = &cache
        && let Ok(response) =
            Response::new_with_opt_js_u8_array(Some(&Uint8Array::from(bytes.as_slice())))
    {
        // A full disk is no reason to stop.
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

/// What JavaScript says went wrong.
pub fn said(error: JsValue) -> String {
    error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()))
        .or_else(|| error.as_string())
        .unwrap_or_else(|| "the browser does not say why".into())
}
