//! Prose, and how it is written into JSON.

use std::fmt::{self, Write};

use buttress_core::{Kind, Outcome, Reason, Timer};

/// A string with its quotes.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                '\n' => f.write_str("\\n")?,
                // Two of those that end a line for some, and none in JSON.
                '\0'..='\x1F' | '\x7F' | '\u{2028}' | '\u{2029}' => {
                    write!(f, "\\u{:04x}", u32::from(c))?;
                }
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// What an outcome means, in a few words of prose that name nobody.
#[must_use]
pub const fn explain(outcome: &Outcome) -> &'static str {
    match outcome.reason {
        Some(Reason::RateLimit) => "the upstream asks to slow down",
        Some(Reason::DailyQuota) => "the quota of the day is used up",
        Some(Reason::Billing) => "the account has no credit left",
        Some(Reason::ContextWindow) => "the prompt does not fit into the context window",
        Some(Reason::ContentPolicy) => "the content was refused",
        Some(Reason::Timeout(Timer::Deadline)) => "the time for this request is used up",
        Some(Reason::Timeout(_)) => "the upstream did not answer in time",
        Some(Reason::Truncated) => "the upstream's answer was cut short",
        Some(Reason::Refused | Reason::Reset | Reason::Unprocessed) => {
            "the connection to the upstream failed"
        }
        Some(Reason::Credentials) => "the credential is missing or may not do this",
        Some(Reason::NotFound) => "there is no such thing",
        Some(Reason::Local) => "the request could not be sent",
        Some(Reason::CircuitOpen) => "the upstream has been failing and is left alone for now",
        Some(Reason::QueueFull) => "there are too many requests under way",
        Some(Reason::InFlight) => "the same request is under way already",
        Some(Reason::KeyMissing) => "this request needs an idempotency key",
        Some(Reason::KeyReused) => "the idempotency key came with another request before",
        _ => of_kind(outcome.kind),
    }
}

const fn of_kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Throttled => "the upstream asks to slow down",
        Kind::Overloaded => "the upstream is overloaded",
        Kind::OutOfQuota => "the quota is used up",
        Kind::Invalid => "the upstream refused the request",
        Kind::Unavailable => "the service is not available for now",
        Kind::Success | Kind::Transient | Kind::Abandoned => "the upstream failed",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::Quoted;

    proptest! {
        #[test]
        fn a_real_decoder_reads_what_was_quoted_and_it_is_one_line(text in any::<String>()) {
            let json = Quoted(&text).to_string();
            prop_assert_eq!(json.lines().count(), 1);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }
    }
}
