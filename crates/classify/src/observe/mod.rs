//! Bodies of answers, read as they pass.

mod anthropic;
mod bedrock;
mod event;
mod events;
mod google;
mod grpc;
mod openai;
mod plain;
mod scan;
mod skim;
#[cfg(test)]
mod tests;
mod too_long;

use std::fmt;

use buttress_body::Observe;
use buttress_core::{Outcome, Sign};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};

use crate::data::Dialect;
use crate::profile::Profile;
use crate::transport::transport;

use bedrock::Frames;
use events::Events;
use grpc::Call;
use plain::Plain;
use skim::Skim;

/// Reads the body of an answer as it passes: where its content begins, and how it ends.
///
/// Made by [`Profile::observer`].
pub struct Observer {
    /// What the next piece need not be read for.
    skim: Skim,
    reading: Reading,
}

/// What kind of body it is.
enum Reading {
    Plain(Plain),
    Events(Events),
    Frames(Frames),
    Call(Call),
}

impl Profile {
    /// What follows the body of an answer with this head.
    #[must_use]
    pub fn observer(&self, status: StatusCode, headers: &HeaderMap) -> Observer {
        Observer {
            skim: Skim::ReadAll,
            reading: self.reading(status, headers),
        }
    }

    fn reading(&self, status: StatusCode, headers: &HeaderMap) -> Reading {
        let essence = essence(headers);
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        if self.dialect() == Dialect::Grpc || is("application/grpc") {
            return Reading::Call(Call::new(headers));
        }
        let failed = !status.is_success() && status.as_u16() >= 400;
        if failed {
            return Reading::Plain(Plain::ending(self.error_body(status, headers, &[])));
        }
        let readable = headers
            .get(CONTENT_ENCODING)
            .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if readable && has_body(status) && is("text/event-stream") {
            return Reading::Events(Events::new(*self));
        }
        if readable && self.dialect() == Dialect::Aws && is("application/vnd.amazon.eventstream") {
            return Reading::Frames(Frames::new(*self));
        }
        Reading::Plain(Plain::ending(Outcome::SUCCESS))
    }
}

impl Observer {
    /// Whether the head may be held back until the first content: it is a stream of events, or the
    /// answer to a call. Of other bodies the first byte is content.
    #[must_use]
    pub const fn awaits_content(&self) -> bool {
        match &self.reading {
            Reading::Plain(_) => false,
            Reading::Events(_) | Reading::Frames(_) => true,
            Reading::Call(call) => call.awaits_content(),
        }
    }

    #[inline(never)]
    fn read(&mut self, data: &[u8]) -> Sign {
        let sign;
        (sign, self.skim) = match &mut self.reading {
            Reading::Plain(plain) => (plain.read(data), plain.skim()),
            Reading::Events(events) => (events.read(data), events.skim()),
            Reading::Frames(frames) => (frames.read(data), Skim::ReadAll),
            Reading::Call(call) => (call.read(data), call.skim()),
        };
        sign
    }
}

impl Observe for Observer {
    #[inline]
    fn data(&mut self, data: &[u8]) -> Sign {
        if self.skim.passes(data) {
            return Sign::Nothing;
        }
        self.read(data)
    }

    fn trailers(&mut self, trailers: &HeaderMap) -> Outcome {
        match &self.reading {
            Reading::Call(call) => call.trailers(trailers),
            Reading::Plain(_) | Reading::Events(_) | Reading::Frames(_) => self.end(),
        }
    }

    fn end(&mut self) -> Outcome {
        match &self.reading {
            Reading::Plain(plain) => plain.end(),
            Reading::Events(events) => events.end(),
            Reading::Frames(frames) => frames.end(),
            Reading::Call(call) => call.end(),
        }
    }

    fn failed<E: 'static>(&mut self, error: &E) -> Outcome {
        transport(error)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.reading {
            Reading::Plain(_) => "Observer(Plain)",
            Reading::Events(_) => "Observer(Events)",
            Reading::Frames(_) => "Observer(Frames)",
            Reading::Call(_) => "Observer(Call)",
        })
    }
}

/// The content type without its parameters.
fn essence(headers: &HeaderMap) -> &[u8] {
    let value = headers
        .get(CONTENT_TYPE)
        .map_or(&[][..], |value| value.as_bytes());
    let essence = value.split(|byte| *byte == b';').next();
    essence.unwrap_or_default().trim_ascii()
}

fn has_body(status: StatusCode) -> bool {
    !matches!(status.as_u16(), 204 | 205 | 304)
}
