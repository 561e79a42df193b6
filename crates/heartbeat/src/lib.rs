//! Keeps event streams alive through silences, with comments that no client can see.
//!
//! ```
//! use buttress_heartbeat::HeartbeatSseLayer;
//! use http::{Request, Response};
//! use http_body_util::BodyExt;
//! use std::time::Duration;
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//! # use buttress_testkit::body::{ScriptedBody, Step};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! # let thinking = || ScriptedBody::new([Step::Wait(Duration::from_secs(40)), Step::data("data: 42\n\n")]);
//! // This model thinks for 40 s before it says anything.
//! let model = service_fn(async |_: Request<()>| {
//!     Response::builder().header("content-type", "text/event-stream").body(thinking())
//! });
//! let model = HeartbeatSseLayer::new().layer(model);
//!
//! let answer = model.oneshot(Request::new(())).await?;
//! let stream = answer.into_body().collect().await?.to_bytes();
//! assert_eq!(stream, ": keepalive\n\n: keepalive\n\ndata: 42\n\n");
//! # Ok(())
//! # }
//! ```
//!
//! | type | what it is for |
//! |---|---|
//! | [`HeartbeatSseLayer`], [`HeartbeatSse`] | any service that answers with streams |
//! | [`HeartbeatBody`] | a stream of your own, without a layer |
//! | [`Injector`], [`Form`] | where a comment may go, and which; pure |
//! | [`wants_stream`], [`WantsStream`] | who asks for a stream |
//! | [`Heartbeat`] | another interval for one request |
//!
//! # When to use it, and when not
//!
//! Where streams pass through proxies that cut a silent connection, which is nearly everywhere: load balancers
//! after 60 s, some CDNs after 30 s. Not for other bodies: there is nothing that could be added to them.
//!
//! # Differences from others
//!
//! axum's `KeepAlive` belongs to its `Sse`, and to events that the handler makes. This works on the bytes of
//! any stream that passes, a proxied one included, wherever its frames are cut. Its blank line is left out
//! once a stream has ids: several Python SDKs take it for an event of its own then, and one of them dies of
//! it. And it can begin before the handler has answered.
//!
//! # What it does to a stream
//!
//! A comment goes in between two events, or between two lines of one where a stream rests there; never into
//! a line, between CR and LF, or behind trailers, an error or the end. If it is due where it must not be, it
//! goes out behind the first frame after which it may. A stream whose lines end in CR alone gets comments
//! before its first byte only, since a LF may always follow.
//!
//! A client sees the same events, the same ids and the same `retry`, at the same time. Property tests and a
//! fuzz target hold it to that for every cut and every moment.
//!
//! # Before there is an answer
//!
//! [`eager`](HeartbeatSseLayer::eager) sends the head before the inner service has answered, which keeps a
//! connection alive while a model queues or thinks. It spends the status: whatever comes is behind a 200, and
//! an error becomes an event.
//!
//! ```text
//! request ──► inner service ──answers in time────────────────────────────────► its answer
//!                  │
//!                  └─after─► 200, heartbeats ──┬─a stream of events──► joined on
//!                                              └─anything else, or an error──► event: error, end
//! ```
//!
//! What heartbeats cannot fix, and what to set in which proxy, is on a page of its own: [`proxies`].
//!
//! # Defaults
//!
//! A comment after 15 s of silence, and nothing before there is an answer: the page of the
//! [layer](HeartbeatSseLayer#defaults) has the reasons.
//!
//! # Where it goes in the stack
//!
//! Far out, on the side of the client: inside of compression, since a compressed stream passes as it is, and
//! outside of everything that times, retries or judges the upstream. What answers errors with a head of its
//! own stands outside of it.
//!
//! # What it costs
//!
//! No locks. An answer that is no stream: a look at its head, and some thirty instructions per frame. A stream: one
//! timer, made when somebody first waits, and looked at four times per interval; per frame a look at its end,
//! some sixty instructions for an event of one line, and no clock. A heartbeat is static memory. Neither
//! frame nor heartbeat allocates.
//!
//! An eager call that wants a stream boxes its inner future, and has another allocation where the body of
//! the request has to be looked at.
//!
//! # Observability
//!
//! Events of the target `buttress::heartbeat`: at trace `sent`, for each heartbeat; at debug `committed`, with
//! `after_ms`, where a head goes out early, and `failed`, with `status`, `kind` and `reason`, where an error
//! event follows it.
//!
//! # Sources
//!
//! WHATWG HTML §9.2 (event streams, and its advice of a comment every 15 s) · RFC 9110 §8 (representation
//! metadata) · RFC 9111 §5.2.2.6 (`no-transform`) · RFC 9530 (digest fields) · the proxies' manuals

mod body;
mod eager;
mod event;
mod frame;
mod future;
mod gate;
mod injector;
mod layer;
#[doc = include_str!("proxies.md")]
pub mod proxies {}
mod pulse;
mod scan;
mod scanned;
mod service;
mod wants;

pub use body::HeartbeatBody;
pub use eager::{Eager, EagerFuture, SplicedBody};
pub use future::ResponseFuture;
pub use injector::{Form, Injector};
pub use layer::{AfterHead, Heartbeat, HeartbeatSseLayer};
pub use scanned::ScannedBody;
pub use service::HeartbeatSse;
pub use wants::{WantsStream, wants_stream};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
