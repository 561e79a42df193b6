//! HTTP bodies that several Buttress layers need.
//!
//! - [`ReplayBody`]: a request body that can be sent again. Whatever one attempt reads is recorded, and
//!   the next attempt replays the record and reads on.
//! - [`PrefixBody`]: a response body whose beginning has been looked at.
//! - [`Shared`]: one response body for many readers, each at its own pace.
//! - [`WatchedBody`]: a response body that is read as it passes, and whose outcome is reported.
//!
//! All of them yield [`Bytes`]: without a copy where the inner body does.
//!
//! ```
//! use buttress_body::{Replay, ReplayPool};
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let pool = ReplayPool::new(256 * 1024 * 1024);
//! let (replay, first) = Replay::new(Full::<Bytes>::from("a prompt"), 64 * 1024, &pool);
//! assert_eq!(first.collect().await?.to_bytes(), "a prompt");
//!
//! let second = replay.again().ok_or("the record was given up")?;
//! assert_eq!(second.collect().await?.to_bytes(), "a prompt");
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! [`RetryLayer`] does all of this by itself. Use the body alone to build a layer that sends a
//! request more than once. A request whose body is cheap to clone (`Full<Bytes>`) needs none of it.
//!
//! # Differences from others
//!
//! linkerd's `ReplayBody` lets go of the source when an attempt's body is dropped. Here a newer
//! attempt takes it at once, while the older upload may still be alive (on HTTP/2 it is, when an
//! early 429 arrives); and each attempt keeps its own place in one record, so that nothing is sent
//! twice.
//!
//! # What it costs
//!
//! One allocation per replayed request, and one for the list of chunks if there is more than one;
//! chunks themselves are shared, not copied. An uncontended lock per frame. A body that is empty from the start, or that
//! is to be sent only [once](ReplayBody::once), costs no allocation. A [`PrefixBody`] allocates when it
//! holds its first frame, a [`WatchedBody`] never. A [`Shared`] body takes four allocations, whatever it
//! keeps, and a place in two lists per reader.
//!
//! # Sources
//!
//! http-body's `Body` (frames, trailers, end and size) · linkerd2-proxy's `ReplayBody` · RFC 9113 §8.1 (answers that
//! come before their request has ended)
//!
//! [`Bytes`]: bytes::Bytes
//! [`RetryLayer`]: https://docs.rs/buttress-retry

mod frame;
mod pool;
mod prefix;
mod record;
mod replay;
mod shared;
mod watched;

pub use pool::ReplayPool;
pub use prefix::PrefixBody;
pub use replay::{Replay, ReplayBody, Superseded};
pub use shared::{
    BePatient, FellBehind, Finish, Patience, Shared, SharedBody, SharedError, WeakShared,
};
pub use watched::{Observe, WatchedBody};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
