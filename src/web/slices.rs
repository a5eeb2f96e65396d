//! The page's files, read by ranges.

use std::io;

use js_sys::{Array, Function, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::Blob;

use crate::io::RangeReader;
use crate::web::fetch;

/// A worker may wait for a slice, so that files are read by the same code as on the command line.
impl RangeReader for Blob {
    fn size(&self) -> u64 {
        Blob::size(self) as u64
    }

    fn read_range(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let read = || -> Result<Vec<u8>, JsValue> {
            let (start, end) = (offset as f64, offset as f64 + length as f64);
            let slice = self.slice_with_f64_and_f64(start, end)?;
            let reader = construct("FileReaderSync", &Array::new())?;
            let buffer = call(&reader, "readAsArrayBuffer", &slice)?;
            Ok(Uint8Array::new(&buffer).to_vec())
        };
        read().map_err(|error| io::Error::other(fetch::error_text(error)))
    }
}

/// Evaluates `new class(...arguments)` for a class that every worker has.
fn construct(class: &str, arguments: &Array) -> Result<JsValue, JsValue> {
    let class: Function = Reflect::get(&js_sys::global(), &class.into())?.dyn_into()?;
    Reflect::construct(&class, arguments)
}

/// Evaluates `object.method(argument)`.
fn call(object: &JsValue, method: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    method.call1(object, argument)
}
