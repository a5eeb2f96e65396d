//! The page's engine, for a dedicated worker.

#[cfg(target_family = "wasm")]
fn main() {
    autolink::web::run_constructors();
    autolink::web::start();
}

#[cfg(not(target_family = "wasm"))]
fn main() {
    eprintln!(
        "This program is the page's engine and runs only in a browser. On the command line, use `autolink`."
    );
}
