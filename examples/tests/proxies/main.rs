//! Real proxies in front: what they do to a stream that falls silent.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "in a test, what goes wrong may panic, in helpers too"
)]

#[allow(dead_code, reason = "these tests need less of it than the gateway's")]
#[path = "../gateway/harness.rs"]
mod harness;
mod proxy;
mod reader;
mod silence;
