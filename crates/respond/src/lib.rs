//! A Tower layer that answers for failures: problem details for HTTP, statuses for gRPC.

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
