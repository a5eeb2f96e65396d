//! AutoLink.
