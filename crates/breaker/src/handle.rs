//! Reading and operating a circuit from outside.

use std::fmt;
use std::time::Duration;

use tokio::sync::watch;

use crate::circuit::CircuitState;
use crate::policy::Policy;
use crate::shared::Shared;
use crate::window::Counts;

/// Reads a circuit, and operates it by hand.
///
/// Reading consumes nothing: no probe's place, and no place in a map of circuits.
///
/// # Clone
/// Clones, the layer and its services share the circuit.
///
/// # Examples
/// ```
/// use buttress_breaker::{CircuitBreakerLayer, CircuitState};
/// use buttress_classify::Profile;
///
/// let layer = CircuitBreakerLayer::http(Profile::ANTHROPIC).name("anthropic");
/// let handle = layer.handle();
/// let transitions = handle.watch();
///
/// handle.force_open();
/// assert_eq!(handle.state(), CircuitState::ForcedOpen);
/// handle.reset();
/// assert_eq!(*transitions.borrow(), CircuitState::Closed);
/// ```
#[derive(Clone)]
pub struct CircuitHandle {
    circuit: Shared,
}

impl CircuitHandle {
    pub(crate) const fn new(circuit: Shared) -> Self {
        Self { circuit }
    }

    /// Refuses all calls until [`reset`](Self::reset) or [`force_closed`](Self::force_closed).
    pub fn force_open(&self) {
        self.circuit.force_open();
    }

    /// Lets all calls through, whatever becomes of them, until [`reset`](Self::reset) or
    /// [`force_open`](Self::force_open).
    pub fn force_closed(&self) {
        self.circuit.force_closed();
    }

    /// Closes the circuit and forgets all that has happened.
    pub fn reset(&self) {
        self.circuit.reset();
    }

    /// What the circuit is called, if it has a name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.circuit.name().map(|name| &**name)
    }

    /// Where the circuit is. It stays open, though its wait is over, until a call asks.
    #[must_use]
    pub fn state(&self) -> CircuitState {
        self.circuit.state()
    }

    /// What the window holds now. Nothing while the circuit is not closed.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.circuit.counts()
    }

    /// Failures since the last success.
    #[must_use]
    pub fn consecutive_failures(&self) -> u32 {
        self.circuit.consecutive_failures()
    }

    /// How long a call that is refused now should wait; `None` if it would be let through.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.circuit.left()
    }

    /// When it opens, for how long, and what closes it.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.circuit.policy()
    }

    /// Follows the transitions: each is a new value. Who looks seldom sees the latest only.
    ///
    /// A receiver of a circuit that is gone, with its layer or because another key took its place, says so.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<CircuitState> {
        self.circuit.watch()
    }
}

impl fmt::Debug for CircuitHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitHandle")
            .field("name", &self.name())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}
