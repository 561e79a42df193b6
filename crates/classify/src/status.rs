//! What a status means: one common reading, and each profile's exceptions to it.

use buttress_core::{Acceptance, Kind, Outcome, Reason, Timer};

/// An exception: this status means that.
pub(crate) type Row = (u16, Outcome);

/// What a status means where a profile says nothing else.
pub(crate) const fn common(status: u16) -> Outcome {
    match status {
        0..=399 => Outcome::SUCCESS,
        401 | 403 | 407 => CREDENTIALS,
        404 | 405 | 410 => NOT_FOUND,
        408 => UPSTREAM_TIMEOUT,
        429 => RATE_LIMITED,
        400..=499 => INVALID,
        // No number of attempts teaches a server a method or a version.
        501 => NOT_FOUND,
        505 => INVALID,
        503 | 529 => OVERLOADED,
        // 522 and 524 are how Cloudflare tells its own timeouts from those of others.
        504 | 522 | 524 => UPSTREAM_TIMEOUT,
        // Above 599 is no status; RFC 9110 §15 has clients read it as a 5xx.
        500.. => TRANSIENT,
    }
}

pub(crate) const OPENAI: &[Row] = &[UNPAID, CONFLICT, TURNED_AWAY, NO_CAPACITY];
pub(crate) const ANTHROPIC: &[Row] = OPENAI;
pub(crate) const LLM: &[Row] = &[UNPAID, TURNED_AWAY, NO_CAPACITY];
/// A model that failed in the middle of its work answers 424.
pub(crate) const BEDROCK: &[Row] = &[UNPAID, (424, TRANSIENT), TURNED_AWAY, NO_CAPACITY];
/// 498 is the flex tier without capacity, "the request won't be processed".
pub(crate) const GROQ: &[Row] = &[
    UNPAID,
    CONFLICT,
    TURNED_AWAY,
    (498, OVERLOADED.accepted(Acceptance::Rejected)),
    NO_CAPACITY,
];

const UNPAID: Row = (402, UNPAID_BILL);
const CONFLICT: Row = (409, TRANSIENT);
const TURNED_AWAY: Row = (429, RATE_LIMITED.accepted(Acceptance::Rejected));
const NO_CAPACITY: Row = (529, OVERLOADED.accepted(Acceptance::Rejected));

// The outcomes that tables are made of. All of them are answers.
pub(crate) const TRANSIENT: Outcome = answered(Kind::Transient);
pub(crate) const UPSTREAM_TIMEOUT: Outcome = TRANSIENT.because(Reason::Timeout(Timer::Upstream));
pub(crate) const RATE_LIMITED: Outcome = answered(Kind::Throttled).because(Reason::RateLimit);
pub(crate) const OVERLOADED: Outcome = answered(Kind::Overloaded);
pub(crate) const UNPAID_BILL: Outcome = answered(Kind::OutOfQuota).because(Reason::Billing);
pub(crate) const DAILY_QUOTA: Outcome = answered(Kind::OutOfQuota).because(Reason::DailyQuota);
pub(crate) const OUT_OF_QUOTA: Outcome = answered(Kind::OutOfQuota);
pub(crate) const INVALID: Outcome = answered(Kind::Invalid);
pub(crate) const CREDENTIALS: Outcome = INVALID.because(Reason::Credentials);
pub(crate) const NOT_FOUND: Outcome = INVALID.because(Reason::NotFound);
pub(crate) const CONTEXT_WINDOW: Outcome = INVALID.because(Reason::ContextWindow);
pub(crate) const CONTENT_POLICY: Outcome = INVALID.because(Reason::ContentPolicy);

const fn answered(kind: Kind) -> Outcome {
    Outcome::new(kind).accepted(Acceptance::Answered)
}
