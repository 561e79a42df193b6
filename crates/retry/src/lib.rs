//! Tries again what may end better, and only that.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_retry::RetryLayer;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! # use std::sync::atomic::{AtomicU16, Ordering};
//! # static STATUS: AtomicU16 = AtomicU16::new(529);
//! let client = service_fn(|_request: Request<_>| async {
//!     // … or hyper, or reqwest: the first call finds the provider overloaded.
//!     # let response = Response::builder().status(STATUS.swap(200, Ordering::Relaxed)).body(Full::<Bytes>::default());
//!     # response.map_err(std::io::Error::other)
//! });
//! let client = RetryLayer::llm(Profile::ANTHROPIC).layer(client);
//!
//! let prompt = Request::post("/v1/messages").body(Full::<Bytes>::from("{}"))?;
//! assert_eq!(client.oneshot(prompt).await?.status(), 200);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Around every client of an upstream that sometimes fails. Not around a client that retries by itself
//! (the providers' SDKs do): their attempts would multiply. Not for a stream that breaks after its first
//! content: nobody can take back what the reader has seen.
//!
//! # Differences from others
//!
//! - *tower's `Retry`* leaves everything to a policy of yours: which failures, how long, which requests.
//!   Its `TpsBudget` rounds its ratio and keeps time under a lock; ours counts exactly and reads no clock.
//! - *reqwest-retry* fails the first attempt of a request whose body is a stream, and knows no
//!   `Retry-After`. Here the first attempt always goes out, and a stream is recorded while it is sent.
//! - *None of them* knows what an answer says ([`Classify`]), that a second POST may be billed, that a
//!   hint of an hour means "stop" and not "sooner", or that an outer layer retries already.
//!
//! # Defaults
//!
//! Three attempts, 0.5 s to 8 s apart, on a budget. All of them, and their reasons, are on the page of the
//! [layer](RetryLayer#defaults), and those of the budget on [its own](RetryBudget#defaults).
//!
//! # Where it goes in the stack
//!
//! Outside of everything that makes *one* attempt (circuit breaker, timeouts, the client), inside of what
//! belongs to the *call* (idempotency key, time budget, fallback).
//!
//! # What it costs
//!
//! Nothing is boxed but the pause before a retry, and nothing is locked but the record of a body. A call
//! that succeeds reads no clock, arms no timer and allocates nothing of its own where requests are
//! [`Cloned`]; HTTP adds the clone of the head, one or two allocations for the record of a body, and up to
//! three for the [`Attempt`] in the extensions, which inner layers read. Both can be saved: see [`clone_bodies`](RetryLayer::clone_bodies) and
//! [`mark_attempts`](RetryLayer::mark_attempts). The first delay arms the one timer. Up to 16 threads stay
//! out of each other's way: what a call changes that succeeds at once, no other of them writes to. Three things are shared
//! all the same: a bucket of the budget that is not full, the [pool](RetryLayer::replay_pool) of records, and what a clone of
//! the inner service counts, since each call holds one.
//!
//! # Observability
//!
//! Events of the target `buttress::retry`; names and fields are part of the API:
//!
//! | message | level | fields |
//! |---|---|---|
//! | `retrying` | info | `attempt` that failed, its `kind` and `reason`, `delay_ms` until the next |
//! | `gave up` | info, or debug if no attempt could help | `attempt`, `kind`, `reason`, `why_not` |
//!
//! `why_not` is `not_retryable`, `attempts`, `not_repeatable`, `hint_too_long`, `deadline`,
//! `budget_concurrency`, `budget_history`, `not_kept` or `not_ready`. No event holds
//! a header, a URI or a body.
//!
//! # Sources
//!
//! RFC 9110 §9.2.2 (idempotent methods) and §10.2.3 (`Retry-After`) · Brooker, "Exponential Backoff and
//! Jitter", AWS Architecture Blog, 2015 · Envoy's retry budget · the AWS SDKs' standard retry quota 2.1 ·
//! Bronson et al., "Metastable Failures in Distributed Systems", `HotOS` 2021
//!
//! [`Classify`]: buttress_core::Classify
//! [`Attempt`]: buttress_core::Attempt

mod budget;
mod event;
mod future;
mod gates;
mod layer;
mod pause;
mod policy;
mod replay;
mod service;
mod stripes;
mod sync;
mod ticket;

pub use budget::{BudgetLimits, RetryBudget};
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use policy::{Facts, RetryOverride};
#[cfg(feature = "reqwest")]
pub use replay::SavedReqwest;
pub use replay::{
    CloneBodies, Cloned, Discard, Drain, HttpReplay, Replay, SavedHttp, Weighed, WeighedRequest,
};
pub use service::Retry;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
