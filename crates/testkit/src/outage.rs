//! Open-loop load on an upstream in trouble, and what became of it, second by second.
//!
//! [`simulate`] makes 1,000 calls a second for a minute, whether or not anything comes back, through a
//! client of the test's making. Below it stands a [`QueueingUpstream`], which can do a little more than
//! that, and which has some bad seconds on the way: a [`Scenario`].
//!
//! # The model
//!
//! 60 workers take 50 ms for a call (on average, exponentially distributed), which makes 1,200 calls a
//! second; up to 2,000 calls wait in one queue, first come, first served; the next ones are answered 503.
//! A caller who gives up is *not* taken out of the queue, and his work is done for nobody. That is how
//! real ones get stuck: once the queue is longer than its callers' patience, all workers are busy and no
//! answer is of use to anyone.
//!
//! Chance (the times between arrivals, and of the work) comes from one seed. On paused time in a
//! runtime of one thread the same seed gives the same counts.
//!
//! # Source
//! Bronson, Aghayev, Charapko and Zhu, "Metastable Failures in Distributed Systems", `HotOS` 2021.

mod load;
mod meter;
mod scenario;
mod service;
mod workers;

pub use load::simulate;
pub use meter::{Run, Second};
pub use scenario::{Scenario, Trouble};
pub use service::{QueueingUpstream, ResponseFuture};

use std::time::Duration;

/// The calls that arrive in a second, on average.
pub const RATE: u32 = 1_000;
/// How long calls arrive.
pub const LENGTH: Duration = Duration::from_secs(60);
/// What the upstream can do in a second, on average.
pub const CAPACITY: u32 = WORKERS * (1_000 / MEAN_WORK_MS);
/// How long a client had better wait for one attempt: twenty times the usual, yet less than a call in
/// a full queue takes.
pub const PATIENCE: Duration = Duration::from_secs(1);

const WORKERS: u32 = 60;
const MEAN_WORK_MS: u32 = 50;
const MAX_WAITING: usize = 2_000;
