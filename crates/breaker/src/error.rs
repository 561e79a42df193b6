//! The refusal of an open circuit.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The circuit is open: the call was refused, and nothing was sent.
///
/// The text may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitOpen {
    retry_after: Duration,
    circuit: Option<Arc<str>>,
}

impl CircuitOpen {
    #[inline]
    pub(crate) const fn new(retry_after: Duration) -> Self {
        Self {
            retry_after,
            circuit: None,
        }
    }

    /// Says which circuit it is.
    #[inline]
    pub(crate) fn of(mut self, circuit: Option<&Arc<str>>) -> Self {
        self.circuit = circuit.map(Arc::clone);
        self
    }

    /// How long it is worth waiting before another call.
    ///
    /// What is left of the open wait. While probes are under way nobody knows when they end, and this is a
    /// second at most; where the circuit is held open by hand it is the policy's open wait.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// The circuit's name, if it has one.
    #[must_use]
    pub fn circuit(&self) -> Option<&str> {
        self.circuit.as_deref()
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("circuit ")?;
        if let Some(name) = self.circuit() {
            write!(f, "{name} ")?;
        }
        write!(f, "open for another {:?}", self.retry_after)
    }
}

impl Error for CircuitOpen {}
