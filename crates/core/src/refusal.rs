//! The time until which an upstream would be refused.

use std::time::Instant;

/// The time until which the next call to the same upstream would be refused.
///
/// A circuit breaker whose circuit is open leaves it in the extensions of a response, beside the
/// [`Outcome`](crate::Outcome). A retry layer that would wake before that time returns the response at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefusesUntil(pub Instant);
