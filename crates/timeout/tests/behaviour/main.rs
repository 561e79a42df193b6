//! What a caller sees of a call that waits. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod calls;
mod edges;
mod limits;
mod readers;
mod requests;
