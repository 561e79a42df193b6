//! What a call needs to know of a circuit, in one word.

use crate::circuit::{Admission, CircuitState, ERA_SHIFT};

/// The era, and a tag. At first closed and calm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) u32);

/// Closed, and a success changes nothing but the counts. Zero, so that the word then is the admission of a
/// call.
const CALM: u32 = 0;
/// Closed, and a success may change something.
const STIRRED: u32 = 1;
const OPEN: u32 = 2;
const HALF_OPEN: u32 = 3;
const TAG: u32 = 3;

impl Word {
    pub(crate) fn new(era: u32, state: CircuitState, calm: bool) -> Self {
        let tag = match state {
            CircuitState::ForcedClosed => CALM,
            CircuitState::Closed if calm => CALM,
            CircuitState::Closed => STIRRED,
            CircuitState::Open | CircuitState::ForcedOpen => OPEN,
            CircuitState::HalfOpen => HALF_OPEN,
        };
        Self(era << ERA_SHIFT | tag)
    }

    /// The admission of a call, if the circuit is closed.
    #[inline]
    pub(crate) const fn admission(self) -> Option<Admission> {
        if self.is_closed() {
            Some(Admission::call(self.0 >> ERA_SHIFT))
        } else {
            None
        }
    }

    /// Whether a success of this call changes nothing but the counts.
    #[inline]
    pub(crate) const fn is_calm_for(self, admission: Admission) -> bool {
        self.0 == admission.bits()
    }

    /// Whether a success of this call may change something.
    pub(crate) const fn is_stirred_for(self, admission: Admission) -> bool {
        self.0 == admission.bits() | STIRRED
    }

    #[inline]
    pub(crate) const fn is_closed(self) -> bool {
        matches!(self.0 & TAG, CALM | STIRRED)
    }

    pub(crate) const fn is_half_open(self) -> bool {
        self.0 & TAG == HALF_OPEN
    }
}
