//! Which failures call for a tier.

use std::fmt;

use buttress_core::{Kind, Outcome, Reason};

/// A set of failures: those after which a tier is asked.
///
/// ```
/// use buttress_fallback::When;
///
/// // A larger model: helps against all that passes, and where the prompt was too long.
/// const LARGER: When = When::FAILURES.or(When::CONTEXT_WINDOW);
/// assert!(LARGER.includes(When::OVERLOADED));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct When(u8);

impl When {
    /// None at all.
    pub const NOTHING: Self = Self(0);
    /// [`Kind::Transient`]: refused, reset, timed out, cut short, 500, 502, 504.
    pub const TRANSIENT: Self = Self(1);
    /// [`Kind::Throttled`]: the credential was asked to slow down.
    pub const THROTTLED: Self = Self(1 << 1);
    /// [`Kind::Overloaded`]: 503, 529.
    pub const OVERLOADED: Self = Self(1 << 2);
    /// [`Kind::OutOfQuota`]: the credential has nothing left.
    pub const OUT_OF_QUOTA: Self = Self(1 << 3);
    /// [`Kind::Unavailable`]: one of our own layers refused, and nothing was sent.
    pub const UNAVAILABLE: Self = Self(1 << 4);
    /// The prompt was too long for the model. Only a larger model helps, so that it has to be asked for.
    pub const CONTEXT_WINDOW: Self = Self(1 << 5);
    /// The provider's moderation refused. To ask another is a decision, so that it has to be asked for.
    pub const CONTENT_POLICY: Self = Self(1 << 6);
    /// All that is no fault of the request: the default of every tier.
    pub const FAILURES: Self = Self::TRANSIENT
        .or(Self::THROTTLED)
        .or(Self::OVERLOADED)
        .or(Self::OUT_OF_QUOTA)
        .or(Self::UNAVAILABLE);

    /// Those of the request itself.
    pub(crate) const FAULTS: Self = Self::CONTEXT_WINDOW.or(Self::CONTENT_POLICY);

    const NAMES: [(Self, &'static str); 7] = [
        (Self::TRANSIENT, "transient"),
        (Self::THROTTLED, "throttled"),
        (Self::OVERLOADED, "overloaded"),
        (Self::OUT_OF_QUOTA, "out_of_quota"),
        (Self::UNAVAILABLE, "unavailable"),
        (Self::CONTEXT_WINDOW, "context_window"),
        (Self::CONTENT_POLICY, "content_policy"),
    ];

    /// These and those.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These without those.
    #[must_use]
    pub const fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Those that are among these, too.
    pub(crate) const fn only(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether any of those is among these.
    #[must_use]
    pub const fn includes(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// What a result is to a tier. [`NOTHING`](Self::NOTHING) for a success, for a caller that went away,
    /// for an error of our own side, and for a request that is itself at fault, but for the two reasons that
    /// have a name here.
    #[must_use]
    pub const fn of(outcome: &Outcome) -> Self {
        match (outcome.kind, outcome.reason) {
            (_, Some(Reason::Local)) => Self::NOTHING,
            (Kind::Transient, _) => Self::TRANSIENT,
            (Kind::Throttled, _) => Self::THROTTLED,
            (Kind::Overloaded, _) => Self::OVERLOADED,
            (Kind::OutOfQuota, _) => Self::OUT_OF_QUOTA,
            (Kind::Unavailable, _) => Self::UNAVAILABLE,
            (Kind::Invalid, Some(Reason::ContextWindow)) => Self::CONTEXT_WINDOW,
            (Kind::Invalid, Some(Reason::ContentPolicy)) => Self::CONTENT_POLICY,
            (Kind::Success | Kind::Invalid | Kind::Abandoned, _) => Self::NOTHING,
        }
    }
}

/// All that is no fault of the request.
impl Default for When {
    fn default() -> Self {
        Self::FAILURES
    }
}

impl fmt::Debug for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = Self::NAMES.iter().filter(|(one, _)| self.includes(*one));
        f.debug_set().entries(names.map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::{Kind, Outcome, Reason};

    use super::When;

    #[test]
    fn a_fault_of_the_request_calls_for_nobody_unless_its_reason_has_a_name() {
        let invalid = Outcome::new(Kind::Invalid);
        assert_eq!(When::of(&invalid), When::NOTHING);
        assert_eq!(
            When::of(&invalid.because(Reason::Credentials)),
            When::NOTHING
        );
        let too_long = When::of(&invalid.because(Reason::ContextWindow));
        assert_eq!(too_long, When::CONTEXT_WINDOW);
        assert!(!When::FAILURES.includes(too_long));
    }

    #[test]
    fn f26_an_error_of_our_own_side_calls_for_nobody_whatever_its_kind() {
        assert_eq!(When::of(&Outcome::LOCAL), When::NOTHING);
        let mistaken = Outcome::new(Kind::Transient).because(Reason::Local);
        assert_eq!(When::of(&mistaken), When::NOTHING);
    }

    #[test]
    fn sets_are_named_in_debug() {
        let set = When::THROTTLED.or(When::CONTEXT_WINDOW);
        assert_eq!(format!("{set:?}"), r#"{"throttled", "context_window"}"#);
        assert_eq!(set.except(When::THROTTLED), When::CONTEXT_WINDOW);
    }
}
