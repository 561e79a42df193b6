//! What a result says about the upstream.

use std::time::Duration;

/// What a result says about the upstream, and whether another attempt may help.
///
/// | kind | retry | breaker | fallback |
/// |---|---|---|---|
/// | [`Success`](Kind::Success) | – | success | – |
/// | [`Transient`](Kind::Transient) | yes | failure | yes |
/// | [`Throttled`](Kind::Throttled) | yes, after the hint | only if keyed by credential | yes |
/// | [`Overloaded`](Kind::Overloaded) | yes, after the hint | failure | yes |
/// | [`OutOfQuota`](Kind::OutOfQuota) | no | only if keyed by credential | yes, elsewhere |
/// | [`Invalid`](Kind::Invalid) | no | neutral | only for typed reasons |
/// | [`Unavailable`](Kind::Unavailable) | no | neutral | yes |
/// | [`Abandoned`](Kind::Abandoned) | – | by age | – |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The upstream did what it was asked.
    Success,
    /// It failed in a way that passes: refused, reset, timed out, cut short, 500, 502, 504.
    Transient,
    /// It asks *this credential* to slow down: 429 by rate, gRPC `RESOURCE_EXHAUSTED`.
    Throttled,
    /// It is overloaded, whoever asks: 503, 529, `overloaded_error`.
    Overloaded,
    /// This credential has nothing left: `insufficient_quota`, 402, a per-day quota.
    OutOfQuota,
    /// The request itself is at fault: other 4xx. Another attempt would fail the same way.
    Invalid,
    /// *We* refused and nothing was sent: circuit open, queue full, no time left.
    Unavailable,
    /// The caller went away before there was a result.
    Abandoned,
}

impl Kind {
    /// Whether another attempt at the same upstream may end better.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled | Self::Overloaded)
    }

    /// A short lower-case name for logs; part of the API of our events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Overloaded => "overloaded",
            Self::OutOfQuota => "out_of_quota",
            Self::Invalid => "invalid",
            Self::Unavailable => "unavailable",
            Self::Abandoned => "abandoned",
        }
    }
}

/// Why an [`Outcome`] is what it is, where that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// Too many requests or tokens per time.
    RateLimit,
    /// The quota of the day (or a longer time) is used up.
    DailyQuota,
    /// The account has no credit.
    Billing,
    /// The prompt does not fit into the model's context window.
    ContextWindow,
    /// The provider's moderation refused the content.
    ContentPolicy,
    /// A time limit ran out; the [`Timer`] says which.
    Timeout(Timer),
    /// The caller stopped sending the request body.
    UploadStalled,
    /// The answer ended before its own end.
    Truncated,
    /// No connection could be made.
    Refused,
    /// The connection broke while the call was under way.
    Reset,
    /// The upstream gave the call back unprocessed: HTTP/2 `REFUSED_STREAM`, or `GOAWAY`.
    Unprocessed,
    /// The credential is missing, wrong, or may not do this.
    Credentials,
    /// What was asked for does not exist there: a path, a model, a method.
    NotFound,
    /// Our own side failed to build or send the request.
    Local,
    /// A circuit breaker is open.
    CircuitOpen,
    /// A queue or a limit of ours is full.
    QueueFull,
    /// The same call is under way already.
    InFlight,
    /// An idempotency key is required, and there is none, or it is malformed.
    KeyMissing,
    /// The idempotency key came with another request before.
    KeyReused,
}

impl Reason {
    /// A short lower-case name for logs; part of the API of our events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::DailyQuota => "daily_quota",
            Self::Billing => "billing",
            Self::ContextWindow => "context_window",
            Self::ContentPolicy => "content_policy",
            Self::Timeout(timer) => timer.as_str(),
            Self::UploadStalled => "upload_stalled",
            Self::Truncated => "truncated",
            Self::Refused => "refused",
            Self::Reset => "reset",
            Self::Unprocessed => "unprocessed",
            Self::Credentials => "credentials",
            Self::NotFound => "not_found",
            Self::Local => "local",
            Self::CircuitOpen => "circuit_open",
            Self::QueueFull => "queue_full",
            Self::InFlight => "in_flight",
            Self::KeyMissing => "key_missing",
            Self::KeyReused => "key_reused",
        }
    }
}

/// Which time limit ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timer {
    /// Making the connection took too long.
    Connect,
    /// The client did not send the request: it waited for a connection or a free stream.
    Dispatch,
    /// The first frame did not come.
    FirstFrame,
    /// No content came while another upstream was left to ask.
    Patience,
    /// No bytes came for too long.
    Idle,
    /// Bytes came, content did not.
    Progress,
    /// The whole call took too long.
    Total,
    /// This stage's share of the time budget ran out.
    Share,
    /// The caller's whole time budget ran out.
    Deadline,
    /// The upstream (or something before it) timed out, and said so: 408, 504, gRPC 4.
    Upstream,
}

impl Timer {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect_timeout",
            Self::Dispatch => "dispatch_timeout",
            Self::FirstFrame => "first_frame_timeout",
            Self::Patience => "patience",
            Self::Idle => "idle_timeout",
            Self::Progress => "progress_timeout",
            Self::Total => "total_timeout",
            Self::Share => "share_timeout",
            Self::Deadline => "deadline",
            Self::Upstream => "upstream_timeout",
        }
    }
}

/// What a failure proves about whether the upstream took the request on.
///
/// A request that was taken on may have had its effect (and may have been billed) even though
/// its answer never came. Only [`Rejected`](Acceptance::Rejected) makes another attempt safe for
/// every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Acceptance {
    /// Proved: the request was never processed. Connect or TLS failure, `REFUSED_STREAM`,
    /// `GOAWAY` below its id, a refusal of our own, or a status that the provider documents so.
    Rejected,
    /// The upstream answered, and its answer says that it failed.
    Answered,
    /// Nobody knows: our own time limit, or a reset without an answer.
    Unknown,
}

/// What a result says about the upstream: its [`Kind`], and what else is known.
///
/// The layer that first finds a failure leaves its `Outcome` in the extensions of the response;
/// outer layers read it there. A success leaves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outcome {
    /// The verdict.
    pub kind: Kind,
    /// Why, where that is known.
    pub reason: Option<Reason>,
    /// How long the upstream asks us to wait. Zero means that it named a moment that has come.
    pub retry_after: Option<Duration>,
    /// Whether the upstream took the request on.
    pub acceptance: Acceptance,
    /// The upstream's explicit word on retrying, which overrides the verdict: `x-should-retry`,
    /// or a gRPC push-back that forbids it.
    pub should_retry: Option<bool>,
    /// Whether this outcome says nothing about the health of the upstream: a circuit breaker does not count it.
    ///
    /// For instance, the caller stopped sending the request body, or the whole call ran out of time while the
    /// response was flowing. Default: `false`.
    pub neutral: bool,
}

impl Outcome {
    /// The upstream did what it was asked.
    pub const SUCCESS: Self = Self {
        acceptance: Acceptance::Answered,
        ..Self::new(Kind::Success)
    };

    /// An outcome of which only the kind is known.
    ///
    /// [`Kind::Unavailable`] means that nothing was sent, which proves non-acceptance; every other
    /// kind starts with [`Acceptance::Unknown`], the careful assumption.
    #[must_use]
    pub const fn new(kind: Kind) -> Self {
        Self {
            kind,
            reason: None,
            retry_after: None,
            acceptance: match kind {
                Kind::Unavailable => Acceptance::Rejected,
                _ => Acceptance::Unknown,
            },
            should_retry: None,
            neutral: false,
        }
    }

    /// Says why.
    #[must_use]
    pub const fn because(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Says how long the upstream asks us to wait.
    #[must_use]
    pub const fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Says what is known about whether the upstream took the request on.
    #[must_use]
    pub const fn accepted(mut self, acceptance: Acceptance) -> Self {
        self.acceptance = acceptance;
        self
    }

    /// Records the upstream's explicit word on retrying.
    #[must_use]
    pub const fn should_retry(mut self, advice: bool) -> Self {
        self.should_retry = Some(advice);
        self
    }

    /// Marks the outcome as one that says nothing about the health of the upstream.
    #[must_use]
    pub const fn neutral(mut self) -> Self {
        self.neutral = true;
        self
    }

    /// Whether the call ended well.
    #[must_use]
    pub const fn is_success(&self) -> bool {
        matches!(self.kind, Kind::Success)
    }

    /// Whether another attempt at the same upstream may help: its explicit word if there is one,
    /// else what the kind says.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self.should_retry {
            Some(advice) => advice,
            None => self.kind.is_retryable(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Acceptance, Kind, Outcome};

    const ALL: [Kind; 8] = [
        Kind::Success,
        Kind::Transient,
        Kind::Throttled,
        Kind::Overloaded,
        Kind::OutOfQuota,
        Kind::Invalid,
        Kind::Unavailable,
        Kind::Abandoned,
    ];

    #[test]
    fn only_what_passes_by_itself_is_retryable() {
        let retryable: Vec<_> = ALL.into_iter().filter(|kind| kind.is_retryable()).collect();
        assert_eq!(
            retryable,
            [Kind::Transient, Kind::Throttled, Kind::Overloaded]
        );
    }

    #[test]
    fn the_upstreams_explicit_word_overrides_the_kind() {
        assert!(
            Outcome::new(Kind::Invalid)
                .should_retry(true)
                .is_retryable()
        );
        assert!(
            !Outcome::new(Kind::Transient)
                .should_retry(false)
                .is_retryable()
        );
    }

    #[test]
    fn only_our_own_refusal_is_known_to_be_unsent_from_its_kind_alone() {
        for kind in ALL {
            let proved = Outcome::new(kind).acceptance == Acceptance::Rejected;
            assert_eq!(proved, kind == Kind::Unavailable, "{kind:?}");
        }
    }
}
