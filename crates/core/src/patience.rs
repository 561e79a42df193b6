//! The time that a stream may show no content while another upstream is left to ask.

use std::time::Duration;

/// The time that a response may show no content while another upstream is left to ask.
///
/// A fallback layer puts it into the extensions of the requests of every tier but the last. The layer that reads
/// response bodies ends a call that exceeds it with [`Timer::Patience`](crate::Timer::Patience).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Patience(pub Duration);
