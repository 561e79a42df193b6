//! Services that watch how a layer treats them.

mod poll_counter;
mod readiness;
mod scripted;

pub use poll_counter::{PollCounter, PollCounterFuture, Polls};
pub use readiness::ReadinessProbe;
pub use scripted::{Reply, ScriptedFuture, ScriptedHandle, ScriptedService};
