//! One timer for all limits of a stream, and no timer operation for a frame.
//!
//! - [`Alarm`]: a timer that is made when it is first needed, and moved in place.
//! - [`Quiet`]: how long nothing has happened, for the price of one store when something does.
//!
//! ```
//! use buttress_timer::{Alarm, Quiet};
//! use std::future::poll_fn;
//! use std::task::Poll;
//! use std::time::Duration;
//! use tokio::time::Instant;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let limit = Duration::from_secs(8);
//! let start = Instant::now();
//! let (mut alarm, mut quiet) = (Alarm::new(), Quiet::new(limit));
//! quiet.restart(start);
//! alarm.set(quiet.next(start));
//! quiet.touch(); // something happens
//!
//! // Whoever waits looks when the alarm rings, and sets it for the next look.
//! let silent = poll_fn(|cx| {
//!     while alarm.poll(cx).is_ready() {
//!         let now = Instant::now();
//!         if quiet.has_passed(now) {
//!             return Poll::Ready(now - start);
//!         }
//!         alarm.set(quiet.next(now));
//!     }
//!     Poll::Pending
//! });
//! let silent = silent.await;
//! assert!(silent >= limit && silent <= limit + limit / 4 + Duration::from_millis(5));
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! For limits that are reset by something that happens often, such as the frames of a body. A limit that
//! must be kept to the millisecond wants a clock that is read at each event; a limit that nothing resets
//! wants a `Sleep`.
//!
//! # Differences from others
//!
//! A `tokio::time::timeout` around each frame makes, registers and drops a timer per frame, which costs
//! more than the rest of a body together. `Sleep::reset` per frame reads the clock and locks the wheel.
//! Here a frame leaves a mark, and the timer rings a few times per limit to look for it.
//!
//! # What it costs
//!
//! One allocation when the alarm is first set. Per wait: whether it is the same task that waits, and one
//! load. Per quarter of a limit in which somebody waits: one clock read, one move of the timer.
//!
//! # Sources
//!
//! Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, after which tokio's timers are made · tokio's
//! `Sleep::reset`

mod alarm;
mod quiet;

pub use alarm::Alarm;
pub use quiet::Quiet;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
