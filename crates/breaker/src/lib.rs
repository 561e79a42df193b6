//! A Tower layer that stops calling an upstream that keeps failing, streams and all.

mod circuit;
mod clock;
mod error;
mod event;
mod permit;
mod policy;
mod shared;
mod stripes;
mod sync;
mod window;

pub use circuit::{Admission, Circuit, CircuitState};
pub use error::CircuitOpen;
pub use permit::Permit;
pub use policy::{Policy, SlowCalls, Window};
pub use window::Counts;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
