//! Bodies of answers, read as they pass.

mod anthropic;
mod bedrock;
mod event;
mod events;
mod google;
mod grpc;
mod head;
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
use http::{HeaderMap, StatusCode};

use crate::data::Dialect;
use crate::profile::Profile;
use crate::transport::transport;

use bedrock::Frames;
use events::Events;
use grpc::Call;
use head::{ContentType, is_readable};
use plain::Plain;
use skim::Skim;

/// Reads the body of an answer as it passes: where its content begins, and how it ends.
///
/// Made by [`Profile::observer`]. Pure: bytes in, signs out. Which bytes mean what is told on the
/// [crate's page](crate#what-a-stream-says).
///
/// The first content is announced once. Content and what settles the outcome may stand in one piece;
/// then the outcome is all that is said. However a body is cut into pieces, the same bytes have the
/// same meaning.
///
/// # What it costs
/// At most 96 bytes, and allocations only for events that go over the end of a piece: it keeps what
/// has come of them, up to 1 MiB of a line and as much of an event. A longer one is skipped, counts as
/// content, and leaves the benefit of the doubt to a stream that ends behind it.
///
/// Up to the first content every event is parsed. From then on a piece that is one whole event is
/// looked over once, and read only if it has one of the few words that matter.
///
/// # Examples
/// ```
/// use buttress_body::Observe;
/// use buttress_classify::Profile;
/// use buttress_core::{Outcome, Sign};
/// use http::{HeaderMap, StatusCode, header};
///
/// let mut head = HeaderMap::new();
/// head.insert(header::CONTENT_TYPE, "text/event-stream".parse()?);
/// let mut observer = Profile::OPENAI.observer(StatusCode::OK, &head);
/// assert!(observer.awaits_content());
///
/// let role = br#"data: {"choices": [{"delta": {"role": "assistant", "content": ""}}]}"#;
/// assert_eq!(observer.data(role), Sign::Nothing);
/// assert_eq!(observer.data(b"\n\n"), Sign::Nothing);
///
/// let hello = br#"data: {"choices": [{"delta": {"content": "Hello"}}]}"#;
/// assert_eq!(observer.data(hello), Sign::Nothing);
/// assert_eq!(observer.data(b"\n\n"), Sign::Content);
///
/// assert_eq!(observer.end(), Outcome::TRUNCATED);
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
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
    /// What reads the body of an answer with this head.
    ///
    /// Server-sent events are told by their content type, Bedrock's frames and gRPC's answers by
    /// theirs; of everything else the first byte is content. What is compressed cannot be read, and
    /// is of the latter kind.
    ///
    /// The head of a failure has said what there is to say, and the body changes nothing about it.
    #[must_use]
    pub fn observer(&self, status: StatusCode, headers: &HeaderMap) -> Observer {
        Observer {
            skim: Skim::ReadAll,
            reading: self.reading(status, headers),
        }
    }

    fn reading(&self, status: StatusCode, headers: &HeaderMap) -> Reading {
        let kind = ContentType::of(headers);
        let failed = status.as_u16() >= 400;
        let failure = || self.error_body(status, headers, &[]);
        match (kind, self.dialect()) {
            (ContentType::Grpc, _) | (ContentType::Other, Dialect::Grpc) => {
                Reading::Call(Call::new(headers, failed.then(failure)))
            }
            _ if failed => Reading::Plain(Plain::ending(failure())),
            (ContentType::Events, _) if is_readable(status, headers) => {
                Reading::Events(Events::new(*self))
            }
            (ContentType::Frames, Dialect::Aws) if is_readable(status, headers) => {
                Reading::Frames(Frames::new(*self))
            }
            _ => Reading::Plain(Plain::ending(Outcome::SUCCESS)),
        }
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
