//! Tower layers that give a call a time budget, tell everybody of it, and end the call with it.
//!
//! ```
//! use buttress_core::{BoxError, find};
//! use buttress_deadline::{BudgetShareLayer, DeadlineExceeded, TimeoutBudgetLayer, current};
//! use http::{Request, Response};
//! use http_body_util::Empty;
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! // A client of an upstream that never answers …
//! let client = BudgetShareLayer::all().layer(service_fn(|request: Request<()>| async move {
//!     assert_eq!(request.headers()["grpc-timeout"], "500000u", "it is told how long it has");
//!     std::future::pending::<Result<Response<Empty<&[u8]>>, BoxError>>().await
//! }));
//! // … used in a handler that knows nothing of time.
//! let handler = service_fn(move |_| {
//!     let call = Request::post("/").header("content-type", "application/grpc").body(());
//!     let client = client.clone();
//!     async move { client.oneshot(call?).await }
//! });
//! let server = TimeoutBudgetLayer::new(Duration::from_secs(30)).layer(handler);
//!
//! let request = Request::get("/").header("grpc-timeout", "500m").body(())?;
//! let error = server.oneshot(request).await.err().ok_or("it was answered")?;
//! let exceeded: &DeadlineExceeded = find(&*error).ok_or("something else went wrong")?;
//! assert_eq!(exceeded.limit(), Duration::from_millis(500));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! At the door of every server, and around every client that makes more than one attempt or has more than
//! one tier: work that nobody waits for any more is work that others wait for. Not for the limits of one
//! connection or one stream (no byte for so long): those are time-outs, and stand inside of this.
//!
//! # Differences from others
//!
//! - *tower's and tower-http's time-outs* begin anew in each layer and with each attempt, know neither
//!   header nor neighbour, and arm a timer each. Here there is one deadline for the call, under one timer;
//!   limits in the layers below that end later need none.
//! - *tonic* reads `grpc-timeout` for itself and answers `CANCELLED`; it hands nothing on.
//! - *None of them* gives a stage a part of what remains, or tells the next hop.
//!
//! # Defaults
//!
//! None for the total, which you name. `grpc-timeout` and `x-envoy-expected-rq-timeout-ms` are read; gRPC upstreams are
//! told, and others if you say so. The reasons are on the pages of [`TimeoutBudgetLayer`](TimeoutBudgetLayer#defaults) and
//! [`BudgetShareLayer`](BudgetShareLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Inbound, [`TimeoutBudgetLayer`] stands inside of what answers for failures and of heartbeats, and outside
//! of everything that works. Outbound it stands outside of retries and fallbacks, and [`BudgetShareLayer`]
//! inside of the retries, so that each attempt gets its share of what the others have left, and its upstream
//! is told. A request that is made while an inbound call is worked on inherits that call's deadline through
//! [`current`], without any plumbing; [`carry`] takes it along into a spawned task.
//!
//! ```text
//!  2 s ├───────────── the budget of the call ─────────────┤
//!      ├─ attempt 1 ─┤ failed
//!      . grpc-timeout: 2S  ├ pause ┤
//!                                  ├────── attempt 2 ─────┤
//!                                  . grpc-timeout: 1100m
//! ```
//!
//! A layer that may be asked to wait reads the [`Deadline`] in the extensions of its request, as the retry
//! layer does: it does not begin what would not end in time.
//!
//! # What it costs
//!
//! A call reads the clock once, and passes over its headers once. Where the budget begins, the extension of
//! the request is three allocations, if it is the first; a share of a deadline that is there already takes
//! its place, for none. Nothing is boxed or locked. The timer is made when somebody first waits, or for an answer
//! in more than one piece; it is one for head and body, and is left to the layer outside where that ends the call
//! anyway. A frame costs two accesses to a thread's own memory. Telling the upstream is a header: its value is one
//! allocation.
//!
//! # Observability
//!
//! Events of the target `buttress::deadline`; names and fields are part of the API:
//!
//! | message | level | fields |
//! |---|---|---|
//! | `exceeded` | info | `limit` (`budget` or `share`), `limit_ms` |
//! | `refused` | info | `limit`, `left_ms`, and `floor_ms`, which it would have taken |
//! | `ignored` | debug | `header`, which said something malformed |
//!
//! # Sources
//!
//! "gRPC over HTTP2" (`grpc-timeout`) · Envoy's router (`x-envoy-expected-rq-timeout-ms` and per-try
//! time-outs) · gRFC A6 (retries within the deadline) · Beyer et al., Site Reliability Engineering, ch. 22
//! (deadline propagation)
//!
//! [`Deadline`]: buttress_core::Deadline
//! [`carry`]: carry()
//! [`current`]: current()

mod body;
mod budget;
mod current;
mod error;
mod event;
mod future;
pub mod grpc_timeout;
mod hint;
mod portion;
mod service;
mod share;
mod tell;
mod term;

pub use body::DeadlineBody;
pub use budget::{Budget, InvalidBudget, TimeoutBudget, TimeoutBudgetLayer};
pub use current::{Carry, carry, current};
pub use error::{DeadlineExceeded, ShareExceeded};
pub use future::ResponseFuture;
pub use hint::TimeoutHeader;
pub use portion::Share;
pub use service::Timed;
pub use share::{BudgetShare, BudgetShareLayer};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
