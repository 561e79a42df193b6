//! Ends calls and streams that wait for too long, by four limits that tell the cases apart.
//!
//! ```
//! use buttress_core::{Kind, Failure, find};
//! use buttress_timeout::{IdleElapsed, StreamTimeoutLayer};
//! use http::{Request, Response};
//! use http_body_util::BodyExt;
//! use std::time::Duration;
//! use tower::{BoxError, Layer, ServiceExt, service_fn};
//! # use buttress_testkit::body::{ScriptedBody, Step};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), BoxError> {
//! # let stream = || ScriptedBody::new([Step::data("data: In the begin"), Step::Stall]);
//! // This upstream stalls in the middle of a word.
//! let client = service_fn(async |_: Request<()>| Ok::<_, BoxError>(Response::new(stream())));
//! let client = StreamTimeoutLayer::new().idle(Duration::from_secs(90)).layer(client);
//!
//! let mut answer = client.oneshot(Request::new(())).await?.into_body();
//! assert!(answer.frame().await.is_some_and(|frame| frame.is_ok()));
//! let error = answer.frame().await.and_then(Result::err).ok_or("it does not go on")?;
//! assert_eq!(
//!     find::<IdleElapsed>(&*error).map(IdleElapsed::limit),
//!     Some(Duration::from_secs(90))
//! );
//! // Whoever has never heard of this layer can still judge it.
//! assert_eq!(find::<Failure>(&*error).map(|f| f.outcome().kind), Some(Kind::Transient));
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! Around every client whose answers are streams. Where answers are short, tower's `Timeout` says what you
//! mean in fewer words. How long it takes to connect is the connector's business, and how much time the
//! caller has is a [`Deadline`]'s.
//!
//! How to choose the four limits is on a page of its own: [`choosing`].
//!
//! # How exact they are
//!
//! None is ever early. `first_frame` and `total` are exact to the millisecond of tokio's timers; `idle` and
//! `progress` may be a quarter of their length late, since a frame leaves no more than a mark. All of them
//! are looked at where the stream waits: what has arrived comes first, however late it is. A stream that
//! never waits can only meet `total`: that is looked at with every 256th frame, too.
//!
//! A slow reader is no stall. The silence begins anew where somebody waits again after a pause, unless he
//! was back within a quarter of the limit, or 20 ms if that is more. So a reader that comes by once an hour never sees `idle` elapse;
//! it is `total` that ends his stream, once he has had what is there, or 256 frames of it at most.
//!
//! # Differences from others
//!
//! tower's `Timeout` bounds the wait for the head, and its body may stall for ever. tower-http's
//! `TimeoutBody` makes, registers and drops a timer per frame, asks it before the frame, forgets the size
//! and the end of its body, and repeats its error without end. It cannot tell a ping from progress. Here
//! all limits have one timer, made at the first wait of the call and asked last.
//!
//! # Defaults
//!
//! 300 s to the first frame, 180 s of silence, 600 s in all, and none for progress: the reasons are on the page of the
//! [layer](StreamTimeoutLayer#defaults).
//!
//! # Where it goes in the stack
//!
//! Next to the client. Retry, judge and circuit breaker outside of it see its errors as failures of the
//! upstream. Heartbeats stand outside of it, too: inside, our own would keep a dead upstream alive.
//!
//! # What it costs
//!
//! A call that never waits: no allocation, no timer, and a clock read for 256 frames. One that does: a
//! timer, which is one allocation per call, and a second one with `progress`. A frame leaves a mark. A wait
//! looks whether it is the same task that waits, and whether the timer has rung. Each quarter of `idle` or
//! `progress` in which the stream waits costs one clock read and one move of the timer. A timed body is 136
//! bytes larger than what stands inside of it, and its timer is another 120 on the heap.
//!
//! With `progress`, the beginnings of the lines of an event stream are looked at, until there is some
//! content; then none until the timer rings again.
//!
//! # Observability
//!
//! One event, of the target `buttress::timeout`, at debug: `elapsed`, with `limit` (`first_frame`, `idle`,
//! `progress` or `total`) and `limit_ms`.
//!
//! # Sources
//!
//! WHATWG HTML §9.2 (event streams) · nginx `proxy_read_timeout`, Envoy `stream_idle_timeout` and route
//! `timeout` (which limits there are) · anthropic-sdk-typescript #867, goose #8134 (idle and pings)
//!
//! [`Deadline`]: buttress_core::Deadline

mod body;
#[doc = include_str!("choosing.md")]
pub mod choosing {}
mod error;
mod event;
mod future;
mod idle;
mod layer;
mod limits;
mod progress;
mod scan;
mod service;
mod stopwatch;

pub use body::StreamTimeoutBody;
pub use error::{FirstFrameElapsed, IdleElapsed, ProgressElapsed, TotalElapsed};
pub use future::ResponseFuture;
pub use idle::IdleTimeoutBody;
pub use layer::StreamTimeoutLayer;
pub use limits::StreamLimits;
pub use service::StreamTimeout;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
