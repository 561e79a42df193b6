//! The right to make a call.

/// The right to make one call, given by a circuit in one of its eras.
///
/// It is a number: dropping it gives nothing back, so record what has become of the call, whatever it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a probe's place is free again only once its outcome is recorded"]
pub struct Admission(u32);

impl Admission {
    pub(crate) const fn call(era: u32) -> Self {
        Self(era << ERA_SHIFT)
    }

    pub(crate) const fn probe(era: u32) -> Self {
        Self(era << ERA_SHIFT | PROBE)
    }

    /// The number of the next era. They begin again after a milliard, when nobody of the first is left.
    pub(crate) const fn after(era: u32) -> u32 {
        (era + 1) & (u32::MAX >> ERA_SHIFT)
    }

    pub(crate) const fn next_era(self) -> u32 {
        Self::after(self.era())
    }

    #[inline]
    pub(crate) const fn era(self) -> u32 {
        self.0 >> ERA_SHIFT
    }

    #[inline]
    pub(crate) const fn is_of(self, era: u32) -> bool {
        self.era() == era
    }

    /// Whether the circuit's fate hangs on this call.
    #[must_use]
    #[inline]
    pub const fn is_probe(self) -> bool {
        self.0 & PROBE != 0
    }

    /// Its bits: as many as a state word has.
    #[inline]
    pub(crate) const fn bits(self) -> u32 {
        self.0
    }
}

/// Two bits are left for a tag, here and in the state word of a shared circuit.
pub(crate) const ERA_SHIFT: u32 = 2;
const PROBE: u32 = 1;
