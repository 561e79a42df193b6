//! A Tower layer that stops calling an upstream that keeps failing, streams and all.

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
