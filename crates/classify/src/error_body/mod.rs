//! What the body of an error answer says, and an error event in the middle of a stream.

mod aws;
mod google;
mod words;

use std::time::Duration;

use buttress_core::{Acceptance, Kind, Outcome};
use http::header::CONTENT_ENCODING;
use http::{HeaderMap, StatusCode};

use crate::classify::hinted;
use crate::data::Dialect;
use crate::grpc;
use crate::json::Json;
use crate::profile::Profile;
use crate::status::{INVALID, OVERLOADED, TRANSIENT};

/// What an error's own words come to.
#[derive(Default)]
struct Said<'a> {
    /// What its type, code or name means, if that is known here.
    meaning: Option<Outcome>,
    /// Its numeric code: the status that it would have had.
    status: Option<u16>,
    message: Option<&'a str>,
    wait: Option<Duration>,
}

impl Profile {
    /// What an answer says whose body has been read, or the beginning of it: its status, its hints,
    /// and the words of its body.
    ///
    /// The body may be cut anywhere and may be anything at all. The first 16 KiB are looked at.
    /// What cannot be read adds nothing to the status. A success is one unless its body is an error
    /// all the same.
    ///
    /// Errors are told by their status and their `type` or `code`, not by prose: a word may explain
    /// its status or forbid the retry that the status would allow, but it makes no 5xx the
    /// request's own fault, and nothing retryable that is not so by its status. (AWS names exceptions and uses one status
    /// for many; there the name counts.)
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_core::{Kind, Reason};
    /// use http::{HeaderMap, StatusCode};
    ///
    /// let body = br#"{"error": {"type": "insufficient_quota", "code": "insufficient_quota"}}"#;
    /// let status = StatusCode::TOO_MANY_REQUESTS;
    /// let outcome = Profile::OPENAI.error_body(status, &HeaderMap::new(), body);
    /// assert_eq!(outcome.kind, Kind::OutOfQuota);
    /// assert_eq!(outcome.reason, Some(Reason::Billing));
    /// ```
    #[must_use]
    pub fn error_body(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Outcome {
        let meaning = self.meaning(status);
        if self.dialect() == Dialect::Grpc {
            return grpc::outcome(headers).unwrap_or_else(|| hinted(meaning, headers));
        }
        if status.as_u16() < 400 {
            return self.stream_error(None, body).unwrap_or(meaning);
        }
        if self.own(status.as_u16()).is_some() {
            return hinted(meaning, headers);
        }
        let Some(said) = self.said(headers, Json::new(body)) else {
            return hinted(meaning, headers);
        };
        let mut outcome = hinted(self.explained(status, meaning, &said), headers);
        outcome.retry_after = outcome.retry_after.or(said.wait);
        outcome
    }

    /// Whether the body of such an error answer can say more than its head: not where this upstream says
    /// everything in its status, where the user has said what the status means, or where the body is
    /// compressed.
    #[must_use]
    pub fn reads_error_body(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let has_words = !matches!(self.dialect(), Dialect::Plain | Dialect::Grpc);
        let compressed = headers
            .get(CONTENT_ENCODING)
            .is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        has_words && !compressed && self.own(status.as_u16()).is_none()
    }

    /// What one event of a stream says, if it is an error: under HTTP 200, after any amount of
    /// content.
    ///
    /// `event` is the event's name, if it has one (of a Bedrock frame, its `:exception-type`),
    /// `data` its data. Effective is the error's own type, not the status under which it came. An
    /// error of an unknown type is transient: something broke, and nobody said that the request
    /// did it.
    ///
    /// ```
    /// use buttress_classify::Profile;
    /// use buttress_core::Kind;
    ///
    /// let data = br#"{"type": "error", "error": {"type": "overloaded_error"}}"#;
    /// let outcome = Profile::ANTHROPIC.stream_error(Some("error"), data);
    /// assert_eq!(outcome.map(|outcome| outcome.kind), Some(Kind::Overloaded));
    ///
    /// let chunk = br#"{"choices": [{"delta": {"content": "an error"}}], "error": null}"#;
    /// assert_eq!(Profile::OPENAI.stream_error(None, chunk), None);
    /// ```
    #[must_use]
    pub fn stream_error(&self, event: Option<&str>, data: &[u8]) -> Option<Outcome> {
        let data = Json::new(data);
        let said = match self.dialect() {
            Dialect::Plain | Dialect::Grpc => None,
            Dialect::Words => words::event(event, data),
            Dialect::Google => google::read(data),
            Dialect::Aws => aws::event(event),
        }?;
        let by_status = || self.meaning_of_code(said.status?);
        let mut outcome = said.meaning.or_else(by_status).unwrap_or(TRANSIENT);
        // The upstream was at work already.
        outcome.acceptance = Acceptance::Answered;
        outcome.retry_after = said.wait;
        Some(outcome)
    }

    fn said<'a>(&self, headers: &HeaderMap, root: Json<'a>) -> Option<Said<'a>> {
        match self.dialect() {
            Dialect::Plain | Dialect::Grpc => None,
            Dialect::Words => words::read(root),
            Dialect::Google => google::read(root),
            Dialect::Aws => aws::read(headers, root),
        }
    }

    /// What a status means in the light of what the body said.
    fn explained(&self, status: StatusCode, meaning: Outcome, said: &Said<'_>) -> Outcome {
        let names_rule = self.dialect() == Dialect::Aws;
        let mut outcome = match said.meaning {
            Some(word) if narrows(status, meaning, word, names_rule) => word,
            // The server's own fault under 429 is not about the rate.
            Some(TRANSIENT) if meaning.kind == Kind::Throttled => OVERLOADED,
            _ => meaning,
        };
        if outcome == INVALID {
            outcome = self.phrase(status, said).unwrap_or(outcome);
        }
        // An error of the provider's own making under 503 says that it has no room; one without
        // may come from anything on the way, after any amount of work.
        outcome.acceptance = match status {
            StatusCode::SERVICE_UNAVAILABLE => Acceptance::Rejected,
            _ => meaning.acceptance,
        };
        outcome
    }

    /// Where a provider has no word for it: a phrase of its prose. All of them say only why a
    /// request will not do, so that a match in error hides no outage.
    fn phrase(&self, status: StatusCode, said: &Said<'_>) -> Option<Outcome> {
        let message = said.message.filter(|_| status == StatusCode::BAD_REQUEST)?;
        let mut phrases = self.phrases().iter();
        let found = phrases.find(|(phrase, _)| message.contains(phrase))?;
        Some(found.1)
    }

    fn meaning_of_code(&self, code: u16) -> Option<Outcome> {
        let status = StatusCode::from_u16(code).ok()?;
        (code >= 400).then(|| self.meaning(status))
    }
}

/// Whether a word says more than the status does, and nothing against it.
fn narrows(status: StatusCode, meaning: Outcome, word: Outcome, names_rule: bool) -> bool {
    // "Something went wrong", "something is wrong with the request": the status knows that much.
    let vague = word == TRANSIENT || word == INVALID;
    match status.is_client_error() {
        true if names_rule => true,
        true => !vague && (meaning.is_retryable() || !word.is_retryable()),
        false => !vague && meaning.is_retryable() && word.is_retryable(),
    }
}
