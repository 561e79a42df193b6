//! Contract probes, scripted bodies and a scripted LLM upstream for Buttress tests.
//!
//! - [`probe`]: services that watch how a layer treats them: one that panics when called unready, one that
//!   counts polls, one whose replies the test decides.
//! - [`body`]: bodies made of scripted frames, and an audit of what a body does.
//! - [`events`]: what is said to `tracing`, line by line.
//! - [`outage`]: open-loop load on an upstream in trouble, and what became of it, second by second.
//! - [`redis`]: a server of a test's own.
//! - [`upstream`]: an LLM API that misbehaves by script, over real sockets or in memory, and counts.
//!
//! Nothing here depends on a Buttress crate, and nothing sleeps in real time when tokio's clock is paused.

pub mod body;
pub mod events;
pub mod outage;
pub mod probe;
pub mod redis;
pub mod upstream;

mod random;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
