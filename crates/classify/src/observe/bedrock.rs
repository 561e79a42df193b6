//! Amazon's binary event stream, as Bedrock uses it.

mod base64;
mod message;

use buttress_core::{Outcome, Sign};

use super::event::{Says, is_filled};
use crate::json::Json;
use crate::profile::Profile;
use crate::status::TRANSIENT;

use message::{Length, PRELUDE, header, length, split, take};

/// Reads every message: their headers tell most of them.
pub(super) struct Frames {
    profile: Profile,
    /// The beginning of a message that goes over the end of a frame.
    begun: Vec<u8>,
    /// How much of a message is still to come, and is not looked at.
    skip: usize,
    content: bool,
    /// The messages are of a model's own making, wrapped, and without a terminator.
    wrapped: bool,
}

impl Frames {
    /// How much of a message is looked at, in bytes. Deltas are a few hundred.
    const LIMIT: usize = 64 * 1024;

    pub(super) const fn new(profile: Profile) -> Self {
        Self {
            profile,
            begun: Vec::new(),
            skip: 0,
            content: false,
            wrapped: false,
        }
    }

    pub(super) fn read(&mut self, mut frame: &[u8]) -> Sign {
        let had_content = self.content;
        while !frame.is_empty() {
            if let Some(outcome) = self.read_on(&mut frame) {
                return Sign::Settled(outcome);
            }
        }
        if self.content && !had_content {
            Sign::Content
        } else {
            Sign::Nothing
        }
    }

    pub(super) fn end(&self) -> Outcome {
        if self.wrapped && self.begun.is_empty() && self.skip == 0 {
            Outcome::SUCCESS
        } else {
            Outcome::TRUNCATED
        }
    }

    fn read_on(&mut self, frame: &mut &[u8]) -> Option<Outcome> {
        if self.skip > 0 {
            self.skip -= take(frame, self.skip).len();
            return None;
        }
        let begun = if self.begun.is_empty() {
            *frame
        } else {
            &self.begun
        };
        let length = match length(begun) {
            Some(Length::Nonsense) => {
                self.give_up();
                return None;
            }
            Some(Length::Of(length)) => length,
            None => {
                self.begin(frame, PRELUDE);
                return None;
            }
        };
        let seen = length.min(Self::LIMIT);
        if self.begun.is_empty() && length <= frame.len() {
            let message = take(frame, length);
            return self.message(&message[..seen]);
        }
        self.begin(frame, seen);
        if self.begun.len() < seen {
            return None;
        }
        self.skip = length - seen;
        let message = std::mem::take(&mut self.begun);
        self.message(&message)
    }

    /// Keeps the beginning of a message, up to so many bytes of it.
    fn begin(&mut self, frame: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.begun.len());
        self.begun.extend_from_slice(take(frame, missing));
    }

    /// It is no such stream. Somebody may make sense of it, but not of its end.
    fn give_up(&mut self) {
        self.content = true;
        self.begun = Vec::new();
        self.skip = usize::MAX;
    }

    /// Reads a message, or the beginning of a long one.
    fn message(&mut self, message: &[u8]) -> Option<Outcome> {
        let (headers, payload) = split(message)?;
        let payload = Json::whole(payload);
        match header(headers, ":message-type")? {
            "event" => self.event(header(headers, ":event-type")?, payload),
            "exception" => Some(self.failed(header(headers, ":exception-type"))),
            "error" => Some(self.failed(header(headers, ":error-code"))),
            _ => None,
        }
    }

    fn event(&mut self, kind: &str, payload: Json<'_>) -> Option<Outcome> {
        match kind {
            "contentBlockDelta" => {
                self.content = self.content || payload.get("delta").is_some_and(says_something);
            }
            "messageStop" => return Some(Outcome::SUCCESS),
            "chunk" => {
                self.wrapped = true;
                self.content = self.content || unwrapped_says_something(payload);
            }
            _ => {}
        }
        None
    }

    fn failed(&self, name: Option<&str>) -> Outcome {
        let outcome = self.profile.stream_error(name, &[]);
        outcome.unwrap_or(TRANSIENT)
    }
}

/// Of `ConverseStream`.
fn says_something(delta: Json<'_>) -> bool {
    delta.members().any(|(name, value)| match name {
        "text" => is_filled(value),
        "toolUse" => value.get("input").is_some_and(is_filled),
        "reasoningContent" => value.get("text").is_some_and(is_filled),
        _ => false,
    })
}

/// Of `InvokeModelWithResponseStream`, whose payload is Base64 of what the model's own API sends. What
/// is not known says something.
fn unwrapped_says_something(payload: Json<'_>) -> bool {
    let bytes = payload.get("bytes").and_then(Json::text);
    let bytes = base64::decode(bytes.unwrap_or_default());
    match Says::of_data(Json::whole(&bytes)) {
        Some(says) => says == Says::Content,
        None => !bytes.is_empty(),
    }
}
