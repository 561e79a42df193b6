//! The unit tests inside the gateway's modules: `cargo test` builds an example, but does not look
//! for tests in it.

#![allow(
    dead_code,
    reason = "a module's tests need less of its neighbours than the program does"
)]
#![allow(unreachable_pub, reason = "the modules are the program's")]

#[path = "../gateway/args/mod.rs"]
mod args;
#[path = "../gateway/duration.rs"]
mod duration;
#[path = "../gateway/forward.rs"]
mod forward;
#[path = "../gateway/limit.rs"]
mod limit;
#[path = "../gateway/log.rs"]
mod log;
#[path = "../gateway/respond.rs"]
mod respond;
#[path = "../gateway/upstream.rs"]
mod upstream;
