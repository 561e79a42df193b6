//! Why a call was not made.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use buttress_core::{BoxError, Failure, InvalidIdempotencyKey, Outcome};

use crate::event;

/// The request has no idempotency key, and the layer [requires](crate::IdempotencyLayer::required) one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyMissing;

/// The request's idempotency key cannot be read, or there is more than one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MalformedKey {
    why: Option<InvalidIdempotencyKey>,
}

/// The idempotency key has come with another request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyReused;

/// The same call is under way, and cannot be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInFlight;

/// The call took longer than any may that others wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunElapsed {
    limit: Duration,
}

impl KeyMissing {
    pub(crate) fn refuse() -> BoxError {
        event::refused("no key");
        Failure::new(Outcome::KEY_MISSING, Self).into()
    }
}

impl MalformedKey {
    pub(crate) fn refuse(why: Option<InvalidIdempotencyKey>) -> BoxError {
        event::refused("a malformed key");
        Failure::new(Outcome::KEY_MISSING, Self { why }).into()
    }

    /// What is wrong with it. `None` if there is more than one.
    #[must_use]
    pub const fn why(&self) -> Option<InvalidIdempotencyKey> {
        self.why
    }
}

impl KeyReused {
    pub(crate) fn refuse() -> BoxError {
        event::refused("another payload");
        Failure::new(Outcome::KEY_REUSED, Self).into()
    }
}

impl CallInFlight {
    pub(crate) fn refuse() -> BoxError {
        event::refused("in flight");
        Failure::new(Outcome::IN_FLIGHT.after(A_MOMENT), Self).into()
    }
}

impl RunElapsed {
    pub(crate) fn refuse(limit: Duration) -> BoxError {
        Failure::new(Outcome::TOTAL_ELAPSED, Self { limit })
            .within(limit)
            .into()
    }

    /// How long it was given.
    #[must_use]
    pub const fn limit(&self) -> Duration {
        self.limit
    }
}

impl fmt::Display for KeyMissing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an idempotency key is required")
    }
}

impl fmt::Display for MalformedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.why {
            Some(why) => why.fmt(f),
            None => f.write_str("more than one idempotency key"),
        }
    }
}

impl fmt::Display for KeyReused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the idempotency key belongs to another request")
    }
}

impl fmt::Display for CallInFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same call is under way")
    }
}

impl fmt::Display for RunElapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the call took longer than {:?}", self.limit)
    }
}

impl Error for KeyMissing {}
impl Error for MalformedKey {}
impl Error for KeyReused {}
impl Error for CallInFlight {}
impl Error for RunElapsed {}

/// When one who was refused may ask again: sooner than most calls end, later than most clients would.
const A_MOMENT: Duration = Duration::from_secs(1);
