//! The browser's WebGPU adapter, and opening it.

use burn::tensor::Device;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

use crate::device;
use crate::error::Result;

/// An adapter that Burn can use.
pub struct Adapter {
    /// Vendor, architecture and description for people, as far as the browser reports them.
    pub name: String,
    /// The properties by which its kernels are chosen. If it is software, the CPU backend is faster.
    pub properties: device::AdapterProperties,
}

impl Adapter {
    /// Opens the adapter and registers its properties, which cubecl cannot ask a browser for.
    ///
    /// # Errors
    /// See [`device::open_gpu`].
    pub async fn open(&self) -> Result<Device> {
        let device = device::open_gpu().await?;
        device::register(&device, self.properties);
        Ok(device)
    }
}

/// Returns the adapter that a WebGPU device would run on.
///
/// # Errors
/// A sentence that says what is missing.
pub async fn adapter() -> std::result::Result<Adapter, String> {
    let none = || "This browser has no WebGPU".to_string();
    let navigator = get(&js_sys::global(), "navigator").ok_or_else(none)?;
    let gpu = get(&navigator, "gpu").ok_or_else(none)?;
    let options = Object::new();
    // As Burn asks for it.
    let _ = Reflect::set(
        &options,
        &"powerPreference".into(),
        &"high-performance".into(),
    );
    let request: Function = get(&gpu, "requestAdapter")
        .and_then(|f| f.dyn_into().ok())
        .ok_or_else(none)?;
    let no_adapter = || "WebGPU finds no GPU here".to_string();
    let promise: Promise = request
        .call1(&gpu, &options)
        .ok()
        .and_then(|promise| promise.dyn_into().ok())
        .ok_or_else(no_adapter)?;
    let adapter = JsFuture::from(promise)
        .await
        .ok()
        .filter(|adapter| !is_nothing(adapter))
        .ok_or_else(no_adapter)?;

    let features = get(&adapter, "features").unwrap_or(JsValue::UNDEFINED);
    let has = |name: &str| {
        get(&features, "has")
            .and_then(|has| has.dyn_into::<Function>().ok())
            .and_then(|has| has.call1(&features, &name.into()).ok())
            .is_some_and(|has| has.is_truthy())
    };
    let info = get(&adapter, "info").unwrap_or(JsValue::UNDEFINED);
    let mut words: Vec<String> = ["vendor", "architecture", "device", "description"]
        .iter()
        .filter_map(|key| get(&info, key)?.as_string())
        .filter(|word| !word.is_empty())
        .collect();
    words.dedup();
    let name = if words.is_empty() {
        "an unnamed adapter".to_string()
    } else {
        words.join(" ")
    };
    let is_fallback = [&adapter, &info].iter().any(|object| {
        get(object, "isFallbackAdapter").is_some_and(|fallback| fallback.is_truthy())
    });
    let lower = name.to_lowercase();
    let is_software = is_fallback
        || [
            "swiftshader",
            "llvmpipe",
            "lavapipe",
            "softpipe",
            "basic render",
        ]
        .iter()
        .any(|known| lower.contains(known));
    let smallest = get(&info, "subgroupMinSize").and_then(|size| size.as_f64());
    let lanes = match smallest {
        Some(size) if has("subgroups") => (size as usize).max(1),
        _ => 1,
    };
    Ok(Adapter {
        name,
        properties: device::AdapterProperties::new(lanes, is_software),
    })
}

fn get(object: &JsValue, key: &str) -> Option<JsValue> {
    Reflect::get(object, &key.into())
        .ok()
        .filter(|value| !is_nothing(value))
}

fn is_nothing(value: &JsValue) -> bool {
    value.is_undefined() || value.is_null()
}
