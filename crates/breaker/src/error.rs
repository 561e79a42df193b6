//! The refusal of an open circuit.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use buttress_core::{Failure, Outcome};

/// The circuit is open: the call was refused, and nothing was sent.
///
/// Its source is the [`Failure`] that says so to other layers: refusals are made by the thousand, and one in
/// front of it would be another allocation.
///
/// The text may change.
#[derive(Debug)]
pub struct CircuitOpen {
    failure: Failure,
    circuit: Option<Arc<str>>,
}

impl CircuitOpen {
    #[inline]
    pub(crate) const fn new(retry_after: Duration) -> Self {
        Self {
            failure: Failure::alone(Outcome::CIRCUIT_OPEN.after(retry_after)),
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
        match self.failure.outcome().retry_after {
            Some(wait) => wait,
            None => Duration::ZERO,
        }
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
        write!(f, "open for another {:?}", self.retry_after())
    }
}

impl Error for CircuitOpen {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.failure)
    }
}

impl Clone for CircuitOpen {
    fn clone(&self) -> Self {
        Self::new(self.retry_after()).of(self.circuit.as_ref())
    }
}

impl PartialEq for CircuitOpen {
    fn eq(&self, other: &Self) -> bool {
        self.retry_after() == other.retry_after() && self.circuit == other.circuit
    }
}

impl Eq for CircuitOpen {}
