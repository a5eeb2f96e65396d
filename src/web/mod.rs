//! The browser: a dedicated worker that drives a [`Session`](crate::session::Session), and how it fetches things.

mod fetch;
mod gpu;
mod hands;
mod worker;

pub use worker::start;
