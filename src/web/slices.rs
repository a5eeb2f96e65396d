//! The page's files, read by slices.

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
            let reader = made("FileReaderSync", &Array::new())?;
            let buffer = called(&reader, "readAsArrayBuffer", &slice)?;
            Ok(Uint8Array::new(&buffer).to_vec())
        };
        read().map_err(|error| io::Error::other(fetch::said(error)))
    }
}

/// `new class(...arguments)`, of a class that every worker has.
fn made(class: &str, arguments: &Array) -> Result<JsValue, JsValue> {
    let class: Function = Reflect::get(&js_sys::global(), &class.into())?.dyn_into()?;
    Reflect::construct(&class, arguments)
}

/// `object.method(argument)`.
fn called(object: &JsValue, method: &str, argument: &JsValue) -> Result<JsValue, JsValue> {
    let method: Function = Reflect::get(object, &method.into())?.dyn_into()?;
    method.call1(object, argument)
}

/// Bytes in an encoding of the Encoding Standard as text; none if they are not in it. Browsers have the tables.
pub fn converted(label: &str, bytes: &[u8]) -> Option<String> {
    let convert = || -> Result<JsValue, JsValue> {
        let options = js_sys::Object::new();
        Reflect::set(&options, &"fatal".into(), &true.into())?;
        let decoder = made("TextDecoder", &Array::of2(&label.into(), &options))?;
        called(&decoder, "decode", &Uint8Array::from(bytes))
    };
    convert().ok()?.as_string()
}
