//! Why the store has no answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use redis::RedisError;

/// What was given is not the URL of a Redis server.
#[derive(Debug, Clone)]
pub struct InvalidUrl {
    source: RedisError,
}

/// Redis could not be asked, or what it said is of no use.
///
/// A call that is refused because of it carries it in a [`Failure`](buttress_core::Failure). The text is unspecified,
/// and holds neither URL nor password.
#[derive(Debug, Clone)]
pub struct StoreUnavailable {
    why: Why,
}

#[derive(Debug, Clone)]
enum Why {
    Failed(RedisError),
    Silent(Duration),
    Unreadable,
    NoToken,
}

impl InvalidUrl {
    pub(crate) const fn new(source: RedisError) -> Self {
        Self { source }
    }
}

impl StoreUnavailable {
    /// It took too long.
    pub(crate) const fn silent(patience: Duration) -> Self {
        Self {
            why: Why::Silent(patience),
        }
    }

    /// There is an answer, which nobody can read.
    pub(crate) const fn unreadable() -> Self {
        Self {
            why: Why::Unreadable,
        }
    }

    /// The system has no random bytes.
    pub(crate) const fn no_token() -> Self {
        Self { why: Why::NoToken }
    }

    /// For a log: why a call is made without the store.
    pub(crate) const fn reason(&self) -> &'static str {
        match self.why {
            Why::Failed(_) | Why::Silent(_) | Why::NoToken => "the store is unavailable",
            Why::Unreadable => "what the store has is unreadable",
        }
    }
}

impl From<RedisError> for StoreUnavailable {
    fn from(error: RedisError) -> Self {
        Self {
            why: Why::Failed(error),
        }
    }
}

impl fmt::Display for InvalidUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the URL of a Redis server")
    }
}

impl fmt::Display for StoreUnavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Failed(error) => write!(f, "redis: {}", error.category()),
            Why::Silent(patience) => write!(f, "redis: no answer within {patience:?}"),
            Why::Unreadable => f.write_str("redis: an answer that cannot be read"),
            Why::NoToken => f.write_str("no random bytes for a lease"),
        }
    }
}

impl Error for InvalidUrl {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl Error for StoreUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Failed(error) => Some(error),
            Why::Silent(_) | Why::Unreadable | Why::NoToken => None,
        }
    }
}
