//! Services that watch how a layer treats them.

mod poll_counter;
mod readiness;
mod reply;
mod scripted;

pub use poll_counter::{PollCounter, PollCounterFuture, Polls};
pub use readiness::ReadinessProbe;
pub use reply::{Reply, ScriptedFuture};
pub use scripted::{ScriptedHandle, ScriptedService};
