//! Stops calling an upstream that keeps failing, and finds out when it is back.
//!
//! ```
//! use buttress_breaker::{CircuitBreakerLayer, CircuitOpen};
//! use buttress_classify::Profile;
//! use buttress_core::find;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // It answers 200, and its streams break off before they are done.
//! let client = service_fn(|_prompt: Request<()>| async {
//!     let half = "data: {\"choices\": [{\"delta\": {\"content\": \"Hel\"}}]}\n\n";
//!     let answer = Response::builder().header("content-type", "text/event-stream");
//!     answer.body(Full::<Bytes>::from(half))
//! });
//! let client = CircuitBreakerLayer::http(Profile::OPENAI).layer(client);
//!
//! for _ in 0..5 {
//!     let answer = client.clone().oneshot(Request::new(())).await?;
//!     answer.into_body().collect().await?;
//! }
//! let error = client.oneshot(Request::new(())).await.unwrap_err();
//! let open: &CircuitOpen = find(&*error).ok_or("another error")?;
//! assert!(open.retry_after().as_secs() >= 29);
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Around every client of an upstream that others call, too: calls to one that is down cost their callers
//! time, and keep it down. With several upstreams or accounts behind one client, a circuit
//! [for each](CircuitBreakerLayer::key). Not where each call goes to another place, and not to limit a rate:
//! it knows open and closed, and nothing in between.
//!
//! # Differences from others
//!
//! Neither tower nor tower-http has a circuit breaker. Those that there are were measured beside this one:
//!
//! - *tower-resilience* does not open after a long time in health (its window of calls never slides), takes a stream
//!   for a success at its status line, does not see the calls that a timeout outside of it has dropped, has
//!   another circuit for each `layer()`, and stays half-open for ever if its probe hangs.
//! - *failsafe* and *recloser* let everybody through at the moment of half-open.
//! - *All of them* get slower when a second core joins, by a lock or by a counter that everybody writes to.
//!
//! # How it decides
//!
//! ```text
//!               5 failures in a row, or half of 10 or more calls within 60 s
//!        Closed ────────────────────────────────────────────────────────────▶ Open
//!          ▲                                                                  │ ▲
//!          │                     after 30 s (45 s, 67.5 s … 300 s), at a call │ │ the probe failed,
//!          │                                                                  ▼ │ or took too long
//!          └────────────────────────────────────────────────────────────── HalfOpen
//!                      the probe succeeded: its first content has come, be it late
//! ```
//!
//! What a call *means* is on the page of the [layer](CircuitBreakerLayer); numbers and their reasons are on that of the
//! [policy](Policy#defaults). [`Circuit`] is the decision alone: `now` and outcomes in, admissions out.
//!
//! # Defaults
//!
//! Those of the diagram, for one circuit: see the [policy](Policy#defaults) and the [layer](CircuitBreakerLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Inside of retries, so that each attempt asks the circuit and none is made while it is open; outside of what
//! judges an answer (the `JudgeLayer`, whose outcome is read from the extensions of a failed response) and of the
//! timeouts of one attempt. A fallback outside of it takes a refusal as a sign to go elsewhere at once.
//!
//! # What it costs
//!
//! Closed, a call that is ready at once costs one load and one count, on a cache line of its own thread: no
//! lock, no allocation, and the clock at each 64th. A call that waits reads the clock twice, and once more at
//! its head, and again after it, where a body follows that is watched. The future is 16 bytes larger than the
//! inner one, and holds a clone of the classifier (a closure that captures nothing: none; a profile: 40
//! bytes). Failures, slow calls, and the first successes after them take a lock for as long as it takes to sum
//! up ten buckets, or to write down the latest calls of a window that counts calls. Open, a refusal reads the
//! clock once and makes one small allocation, for the error.
//!
//! A circuit takes three quarters of a kilobyte, and 136 bytes more per core of the machine, for 16 of them at
//! most. Finding the one of a key takes a read lock on what this thread has found before, and no allocation
//! unless the key makes one: up to 16 threads that share a key do not meet. Only a key that is new to its
//! thread, or for which there is no room, takes the lock that all share.
//!
//! Successes that were ready at once are counted when somebody next looks, and as of when the window was last
//! turned. Where they are few, up to 63 per core count as older than they are, and leave the window
//! earlier: beside failures, the rate is then too high rather than too low. The row of failures is exact.
//!
//! # Observability
//!
//! Events of the target `buttress::breaker`; names and fields are part of the API:
//!
//! | message | level | fields |
//! |---|---|---|
//! | `opened` | warn | `circuit`, `forced`, the `kind` and `reason` of the failure, `retry_after_ms` |
//! | `half open` | info | `circuit` |
//! | `closed` | info | `circuit`, `forced` |
//! | `rejected` | debug | `circuit`, `retry_after_ms` |
//!
//! `circuit` is the name, `forced` says that it is held by hand (a reset leaves it to itself). `kind` and `reason`
//! are missing where no failure was the last drop: a lease ran out, a success made it a rate. No event holds a
//! header, a URI or a key.
//! [`CircuitHandle`] reads state and counts, and lets transitions be followed.
//!
//! # Sources
//!
//! Nygard, *Release It!*, 2007 · resilience4j (windows, slow calls, outcomes that count for nothing) · Polly (generations) ·
//! the incidents behind the names of this crate's tests

mod circuit;
mod clock;
mod error;
mod event;
mod future;
mod handle;
mod key;
mod keyed;
mod layer;
mod permit;
mod policy;
mod select;
mod service;
mod shared;
mod stripes;
mod sync;
mod window;

pub use circuit::{Admission, Circuit, CircuitState};
pub use error::CircuitOpen;
pub use future::ResponseFuture;
pub use handle::CircuitHandle;
pub use key::CircuitKey;
pub use keyed::{Circuits, Keyed};
pub use layer::CircuitBreakerLayer;
pub use permit::Permit;
pub use policy::{Policy, SlowCalls, Window};
pub use select::{AnyRequest, Expect, HttpRequest, Select, Unkeyed};
pub use service::CircuitBreaker;
pub use window::Counts;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
