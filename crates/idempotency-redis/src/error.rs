//! Why the store has no answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use redis::RedisError;

use crate::link::is_of_the_command;

/// What was given is not the URL of a Redis server.
///
/// It holds nothing of the URL, in which a password may stand.
#[derive(Debug, Clone)]
pub struct InvalidUrl {
    why: String,
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
    /// What the client says further may repeat a part of the URL.
    pub(crate) fn new(error: &RedisError) -> Self {
        Self {
            why: error.category().to_owned(),
        }
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

    /// The server has understood, and has said no.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(&self.why, Why::Failed(error) if is_of_the_command(error))
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
        write!(f, "not the URL of a Redis server: {}", self.why)
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

impl Error for InvalidUrl {}

impl Error for StoreUnavailable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.why {
            Why::Failed(error) => Some(error),
            Why::Silent(_) | Why::Unreadable | Why::NoToken => None,
        }
    }
}
