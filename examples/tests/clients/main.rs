//! Clients that are not ours in front of the gateway: each sees what was sent, no more and no less.
//!
//! Which versions is written in `python/requirements.txt` and `node/package.json`. A client that is
//! not installed is skipped, and the test says so.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    reason = "in a test, what goes wrong may panic, in helpers too"
)]

mod again;
mod anywhere;
mod browser;
mod client;
mod control;
mod curl;
mod cutting;
#[path = "../gateway/harness.rs"]
#[allow(dead_code, reason = "it serves other tests too")]
mod harness;
mod late;
mod report;
mod show;
mod streams;
mod tap;
