//! Bytes -> pictures -> batches.
