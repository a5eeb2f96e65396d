//! The page's engine, in a dedicated worker.

#[cfg(target_family = "wasm")]
fn main() {
    autolink::web::run_constructors();
    autolink::web::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!(
        "This program is the engine of the page and runs in a browser; the one for the command line is `autolink`."
    );
}
