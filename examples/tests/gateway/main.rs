//! The gateway as its users have it: a process of its own, over real sockets.

#![cfg(unix)] // signals, and a shell
#![allow(
    clippy::unwrap_used,
    reason = "in a test, what goes wrong may panic, in helpers too"
)]

mod bodies;
mod circuits;
mod demo;
mod failing;
mod fallback;
mod flags;
mod gated;
mod harness;
mod heads;
mod heartbeats;
mod held;
mod idempotency;
mod idempotency_crowd;
mod idempotency_leaving;
mod idempotency_redis;
mod judged;
mod leaving;
mod logs;
mod odd;
mod quotas;
mod redis;
mod retries;
mod stalls;
mod streams;
