//! Bodies made of scripted frames, and an audit of what a body does.

mod audit;
mod scripted;

pub use audit::{Audit, audit};
pub use scripted::{BodyHandle, ScriptedBody, Step};

/// The error of a scripted body.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
