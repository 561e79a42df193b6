//! A Tower layer that answers for failures: problem details for HTTP, statuses for gRPC.
//!
//! ```
//! use buttress_core::{BoxError, Failure, Outcome};
//! use buttress_respond::RespondLayer;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::time::Duration;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! // Whatever is inside refuses, such as a circuit breaker that is open.
//! let inner = service_fn(|_request: Request<()>| async {
//!     let open = Outcome::CIRCUIT_OPEN.after(Duration::from_millis(4_200));
//!     Err::<Response<Full<&[u8]>>, BoxError>(Failure::new(open, "upstream-7 is down").into())
//! });
//! let service = RespondLayer::new().layer(inner);
//!
//! let Ok(answer) = service.oneshot(Request::new(())).await; // there is no error left
//! assert_eq!(answer.status(), 503);
//! assert_eq!(answer.headers()["retry-after"], "5");
//! assert_eq!(answer.headers()["content-type"], "application/problem+json");
//! let body = answer.into_body().collect().await?.to_bytes();
//! assert!(!String::from_utf8_lossy(&body).contains("upstream-7"));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Outermost in every server that has a layer inside which can refuse. Not in a client, whose caller wants
//! the error and not an answer made of it; there is one exception: a gRPC client's stack, where the error
//! would reach the stub as an unknown one, and a status does not.
//!
//! # Differences from others
//!
//! - *axum's `HandleErrorLayer`* asks you for the whole mapping, each time, and knows neither gRPC nor
//!   streams. tower-http's time-outs answer with a bare status each.
//! - *tonic* makes `CANCELLED` of a time-out, and a gRPC client makes `UNAVAILABLE` of a bare 504: both ask
//!   to be tried again. Here it is `DEADLINE_EXCEEDED`.
//! - Gateways forget the `Retry-After` of their own 429. Here every refusal that passes by itself has one.
//!
//! # Defaults
//!
//! Which failure becomes which status is a [table](RespondLayer), and there is little to set:
//! [here](RespondLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Outermost, outside of authentication, too, if that may fail. It knows no other layer: a failure is read by
//! its [`Outcome`], whoever it comes from.
//!
//! # What it costs
//!
//! An answer that passes: one lookup of the request's content type, one count of a shared reference, and the
//! move of the answer. One whose length is not known is asked for its own type, too. A frame costs one branch,
//! one of an event stream some 50 instructions, for it is followed to know where an event ends.
//! No allocation, lock, timer or clock.
//!
//! # Observability
//!
//! One event, of the target `buttress::respond`, at debug: `answered`, with `status`, `kind` and `reason`,
//! for each failure that has become an answer or the end of one. An answer of ours carries its [`Outcome`] in
//! its extensions, where something outside that counts will find it.
//!
//! # Sources
//!
//! RFC 9457 (problem details) · RFC 9110 §10.2.3 (`Retry-After`), §15.5 and §15.6 · "gRPC over HTTP2"
//! (Trailers-Only, percent-encoded messages) · "gRPC-Web" · gRFC A6 (push-back) · WHATWG HTML §9.2
//!
//! [`Outcome`]: buttress_core::Outcome

mod body;
mod event;
mod future;
mod layer;
mod manner;
mod problem;
mod protocol;
mod render;
mod service;

pub use body::RespondBody;
pub use future::ResponseFuture;
pub use layer::RespondLayer;
pub use problem::Problem;
pub use service::Respond;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
