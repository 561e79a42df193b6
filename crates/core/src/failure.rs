//! A refusal of ours, with its outcome beside its cause.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::Outcome;

/// Any error, as Tower's layers pass it on.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// An error of one of our layers, with the [`Outcome`] it means to the others.
///
/// A layer that refuses a call returns a `Failure` in a [`BoxError`], so that any outer layer can
/// judge a layer it has never heard of. [`find`] gets the concrete error back.
///
/// ```
/// use buttress_core::{BoxError, Failure, Kind, Outcome, find};
///
/// #[derive(Debug)]
/// struct QueueFull { limit: usize }
/// # impl std::fmt::Display for QueueFull {
/// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
/// #         write!(f, "all {} places are taken", self.limit)
/// #     }
/// # }
/// # impl std::error::Error for QueueFull {}
///
/// let error: BoxError = Failure::new(Outcome::QUEUE_FULL, QueueFull { limit: 64 }).into();
///
/// assert_eq!(find::<Failure>(&*error).map(|f| f.outcome().kind), Some(Kind::Unavailable));
/// assert_eq!(find::<QueueFull>(&*error).map(|q| q.limit), Some(64));
/// ```
#[derive(Debug)]
pub struct Failure {
    outcome: Outcome,
    limit: Option<Duration>,
    source: Option<BoxError>,
}

impl Failure {
    /// Joins an outcome to its cause. One allocation, unless the cause is boxed already.
    #[must_use]
    pub fn new(outcome: Outcome, source: impl Into<BoxError>) -> Self {
        Self {
            outcome,
            limit: None,
            source: Some(source.into()),
        }
    }

    /// An outcome alone, for an error that carries it as its own [source](Error::source): found there as
    /// well as in front of it, and no allocation of its own.
    ///
    /// ```
    /// use buttress_core::{BoxError, Failure, Kind, Outcome, find};
    ///
    /// #[derive(Debug)]
    /// struct Closed(Failure);
    /// # impl std::fmt::Display for Closed {
    /// #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    /// #         f.write_str("closed for the day")
    /// #     }
    /// # }
    ///
    /// impl std::error::Error for Closed {
    ///     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
    ///         Some(&self.0)
    ///     }
    /// }
    ///
    /// let error: BoxError = Closed(Failure::alone(Outcome::QUEUE_FULL)).into();
    ///
    /// assert!(find::<Closed>(&*error).is_some());
    /// assert_eq!(find::<Failure>(&*error).map(|f| f.outcome().kind), Some(Kind::Unavailable));
    /// ```
    #[must_use]
    pub const fn alone(outcome: Outcome) -> Self {
        Self {
            outcome,
            limit: None,
            source: None,
        }
    }

    /// Says how long the time limit was that ran out, for those who tell a caller.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What this failure means to the other layers.
    #[must_use]
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The time limit that ran out, if it was one and is known.
    #[must_use]
    pub const fn limit(&self) -> Option<Duration> {
        self.limit
    }

    /// The concrete cause: the failure itself where it stands [alone](Self::alone).
    #[must_use]
    pub fn into_source(mut self) -> BoxError {
        match self.source.take() {
            Some(source) => source,
            None => self.into(),
        }
    }
}

/// The text names the kind; the cause is in [`source`](Error::source). It may change.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call failed ({}", self.outcome.kind.as_str())?;
        if let Some(reason) = self.outcome.reason {
            write!(f, ", {}", reason.as_str())?;
        }
        f.write_str(")")
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&**self.source.as_ref()?)
    }
}

/// The first error of type `T` in a [`chain`].
#[must_use]
pub fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    chain(error).find_map(|e| e.downcast_ref::<T>())
}

/// An error, its source, the source of that, and so on.
///
/// What an `io::Error` wraps comes after it, too: that is not its source (which is the source of what it
/// wraps), and bodies pass errors through `io::Error` all the time.
///
/// Goes 64 errors deep and no further, so that a chain that loops ends.
pub fn chain<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| behind(*error)).take(MAX_CHAIN)
}

fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// No honest chain is nearly as long.
const MAX_CHAIN: usize = 64;

#[cfg(test)]
mod tests {
    use std::io;

    use super::{Error, Failure, find};
    use crate::Outcome;

    #[test]
    fn find_sees_through_every_wrapper() {
        let io = io::Error::from(io::ErrorKind::ConnectionReset);
        let inner = Failure::new(Outcome::TRUNCATED, io);
        let outer = Failure::new(Outcome::CIRCUIT_OPEN, inner);

        assert_eq!(
            find::<io::Error>(&outer).map(io::Error::kind),
            Some(io::ErrorKind::ConnectionReset)
        );
        assert_eq!(
            find::<Failure>(&outer).map(Failure::outcome),
            Some(Outcome::CIRCUIT_OPEN),
            "the outermost failure speaks first"
        );
        assert!(find::<std::fmt::Error>(&outer).is_none());
    }

    #[test]
    fn a_failure_that_stands_alone_is_its_own_cause() {
        let alone = Failure::alone(Outcome::QUEUE_FULL);
        assert!(alone.source().is_none());
        let cause = alone.into_source();
        assert_eq!(
            find::<Failure>(&*cause).map(Failure::outcome),
            Some(Outcome::QUEUE_FULL)
        );
    }

    #[test]
    fn find_sees_what_an_io_error_wraps() {
        let failure = Failure::new(Outcome::IDLE_ELAPSED, "no data");
        let body = io::Error::other(failure);
        assert_eq!(
            find::<Failure>(&body).map(Failure::outcome),
            Some(Outcome::IDLE_ELAPSED)
        );
    }

    #[test]
    fn a_chain_without_end_is_left_in_time() {
        #[derive(Debug)]
        struct Loop;
        impl std::fmt::Display for Loop {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("loop")
            }
        }
        impl Error for Loop {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(self)
            }
        }
        assert!(find::<io::Error>(&Loop).is_none());
    }

    #[test]
    fn the_text_says_kind_and_reason_and_leaves_the_cause_to_source() {
        let failure = Failure::new(Outcome::QUEUE_FULL, "secret detail");
        assert_eq!(failure.to_string(), "call failed (unavailable, queue_full)");
        assert_eq!(failure.source().unwrap().to_string(), "secret detail");
    }
}
