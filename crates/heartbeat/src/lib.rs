//! A Tower layer that keeps event streams alive with comments no client can see.

mod body;
mod eager;
mod event;
mod frame;
mod future;
mod gate;
mod injector;
mod layer;
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
