//! The nouns that Buttress layers agree on.
//!
//! Layers never depend on one another. They meet through the types of this crate: in
//! [`http::Extensions`], or in the source chain of an error.
//!
//! ```
//! use buttress_core::{Backoff, Kind, Outcome, Reason};
//! use std::time::Duration;
//!
//! // What does this result say about the upstream, and may another attempt help?
//! let outcome = Outcome::new(Kind::Throttled)
//!     .because(Reason::RateLimit)
//!     .after(Duration::from_millis(40));
//! assert!(outcome.kind.is_retryable());
//!
//! // Chance is an argument: the same sample gives the same delay.
//! let backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(8));
//! assert_eq!(backoff.delay(1, 1.0), Duration::from_secs(1));
//! ```
//!
//! | type | the question it answers |
//! |---|---|
//! | [`Outcome`] | what does a result say about the upstream? |
//! | [`Classify`] | how is a result read, now or when its body has ended? |
//! | [`Failure`], [`find`] | what did a layer of ours refuse, and why? |
//! | [`Deadline`] | until when does anybody care? |
//! | [`Attempt`] | the how-manieth call is this, and why was there one before? |
//! | [`IdempotencyKey`] | which calls are one and the same to the upstream? |
//! | [`Observed`] | what has the one observer of a response body found? |
//! | [`RequestFacts`] | which model, how many tokens, a stream? |
//! | [`Patience`], [`RefusesUntil`], [`Attempts`] | facts that one layer leaves for another |
//! | [`Backoff`], [`Ratio`], [`Sampler`] | how long, how many, how likely? |
//!
//! # When to use it, and when not
//!
//! To write a layer, a classifier or a store that the others understand, and to read what a layer leaves: the [`Outcome`]
//! in a response's extensions, the [`Failure`] in an error. Whoever only stacks layers needs none of it.
//!
//! # What it costs
//!
//! Nothing here allocates but [`Failure`] (one box) and [`IdempotencyKey`] (one string). The crate
//! knows neither tokio nor tower nor http: time is an argument, and so is chance. The one thing that a thread remembers is
//! [whose time](Deadline::current) it works in.
//!
//! # Sources
//!
//! Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015 · gRFC A6 (what was not accepted, and
//! push-back) · draft-ietf-httpapi-idempotency-key-header
//!
//! [`http::Extensions`]: https://docs.rs/http/1/http/struct.Extensions.html

mod attempt;
mod backoff;
mod classify;
mod current;
mod deadline;
mod failure;
mod key;
mod observed;
mod outcome;
mod own;
mod patience;
mod ratio;
mod refusal;
mod request_facts;
mod sampler;
mod thread;

pub use attempt::{Attempt, Attempts};
pub use backoff::{Backoff, InvalidBackoff, Jitter};
pub use classify::{Classify, FnClassify, Never, Report, Sign, Verdict, Watch, classify_fn};
pub use deadline::Deadline;
pub use failure::{BoxError, Failure, chain, find};
pub use key::{IdempotencyKey, InvalidIdempotencyKey};
pub use observed::{Observed, Usage};
pub use outcome::{Acceptance, Kind, Outcome, Reason, Timer};
pub use patience::Patience;
pub use ratio::{InvalidRatio, Ratio};
pub use refusal::RefusesUntil;
pub use request_facts::RequestFacts;
pub use sampler::Sampler;
pub use thread::thread_number;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
