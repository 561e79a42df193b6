use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::{
    Cut,
    answer::{Answer, Trouble},
    chunking::Chunking,
};

/// How one request is answered: well, or not.
///
/// Plain data, built by methods; each changes one thing and leaves the rest well.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use buttress_testkit::upstream::{Behaviour, Cut};
///
/// let throttled = Behaviour::rate_limited().header("retry-after-ms", "120");
/// let slow = Behaviour::well().head_delay(Duration::from_millis(300));
/// let dies_in_mid_stream = Behaviour::well().chunk_size(7).cut_after(3, Cut::Reset);
/// ```
#[derive(Clone, Debug)]
pub struct Behaviour {
    pub(super) answer: Answer,
    pub(super) status: Option<StatusCode>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) trailers: HeaderMap,
    pub(super) reading: Reading,
    pub(super) head_delay: Duration,
    pub(super) cut_before_head: Option<Cut>,
    pub(super) chunking: Chunking,
    pub(super) chunk_delay: Duration,
    pub(super) cut_after: Option<(usize, Cut)>,
    pub(super) ending: Ending,
    pub(super) sized: bool,
    pub(super) tokens: usize,
}

/// How much of the request is read before the answer begins.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    All,
    Nothing,
    /// Waits once so many bytes have come, then reads on.
    Pause(u64, Duration),
}

/// How an event stream ends that is not cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Proper,
    /// After so many events, without the terminator.
    Early {
        after: usize,
    },
    /// After so many events an error event; then the terminator, or not.
    ErrorEvent {
        after: usize,
        terminated: bool,
    },
}

/// How many tokens a completion has unless told.
const DEFAULT_TOKENS: usize = 20;

impl Behaviour {
    /// The endpoint's proper answer, at once.
    #[must_use]
    pub fn well() -> Self {
        Self {
            answer: Answer::Natural,
            status: None,
            headers: Vec::new(),
            trailers: HeaderMap::new(),
            reading: Reading::All,
            head_delay: Duration::ZERO,
            cut_before_head: None,
            chunking: Chunking::Natural,
            chunk_delay: Duration::ZERO,
            cut_after: None,
            ending: Ending::Proper,
            sized: true,
            tokens: DEFAULT_TOKENS,
        }
    }

    /// This status; an error status comes with an error body in the endpoint's shape.
    ///
    /// # Panics
    ///
    /// If `status` is not between 100 and 999.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status).expect("a status between 100 and 999");
        Self {
            status: Some(status),
            ..Self::well()
        }
    }

    /// The endpoint's provider says: too many requests (429).
    #[must_use]
    pub fn rate_limited() -> Self {
        Self {
            answer: Answer::Trouble(Trouble::RateLimit),
            ..Self::well()
        }
    }

    /// The endpoint's provider says: overloaded (OpenAI and plain paths 503, Anthropic 529).
    #[must_use]
    pub fn overloaded() -> Self {
        Self {
            answer: Answer::Trouble(Trouble::Overloaded),
            ..Self::well()
        }
    }

    /// The endpoint's provider says: not paid for (OpenAI and plain paths 429, Anthropic 402).
    #[must_use]
    pub fn out_of_quota() -> Self {
        Self {
            answer: Answer::Trouble(Trouble::Quota),
            ..Self::well()
        }
    }

    /// The endpoint's provider says: our fault (500).
    #[must_use]
    pub fn server_error() -> Self {
        Self {
            answer: Answer::Trouble(Trouble::Server),
            ..Self::well()
        }
    }

    /// This body instead of the endpoint's.
    ///
    /// # Panics
    ///
    /// If `content_type` is not a field value.
    #[must_use]
    pub fn body(self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        let answer = Answer::Fixed {
            content_type: HeaderValue::from_static(content_type),
            pieces: vec![body.into()],
            streamed: false,
        };
        Self { answer, ..self }
    }

    /// These chunks instead of the endpoint's body, with no length announced.
    ///
    /// # Panics
    ///
    /// If `content_type` is not a field value.
    #[must_use]
    pub fn pieces<I>(self, content_type: &'static str, pieces: I) -> Self
    where
        I: IntoIterator<Item: Into<Bytes>>,
    {
        let answer = Answer::Fixed {
            content_type: HeaderValue::from_static(content_type),
            pieces: pieces.into_iter().map(Into::into).collect(),
            streamed: true,
        };
        Self { answer, ..self }
    }

    /// A header field more. `content-type` replaces the endpoint's; any other name may be repeated.
    ///
    /// # Panics
    ///
    /// If `name` is not a lower-case field name, or `value` not a field value.
    #[must_use]
    pub fn header<V>(mut self, name: &'static str, value: V) -> Self
    where
        V: TryInto<HeaderValue>,
    {
        let Ok(value) = value.try_into() else {
            panic!("not a field value for {name}")
        };
        self.headers.push((HeaderName::from_static(name), value));
        self
    }

    /// A trailer field more. HTTP/1.1 sends trailers only if the client said `TE: trailers` and the head
    /// names them in `Trailer`: add that with [`header`](Self::header).
    ///
    /// # Panics
    ///
    /// If `name` is not a lower-case field name, or `value` not a field value.
    #[must_use]
    pub fn trailer(mut self, name: &'static str, value: &'static str) -> Self {
        self.trailers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
        self
    }

    /// Answers without reading any of the request body.
    #[must_use]
    pub const fn answer_early(mut self) -> Self {
        self.reading = Reading::Nothing;
        self
    }

    /// Reads at least `bytes` of the request body, then pauses, then reads the rest.
    #[must_use]
    pub const fn read_slowly(mut self, bytes: u64, pause: Duration) -> Self {
        self.reading = Reading::Pause(bytes, pause);
        self
    }

    /// Waits this long, once the request is read, before the head of the answer.
    #[must_use]
    pub const fn head_delay(mut self, delay: Duration) -> Self {
        self.head_delay = delay;
        self
    }

    /// Breaks off where the head of the answer is due: after the request was read, and after the
    /// [`head_delay`](Self::head_delay).
    #[must_use]
    pub const fn cut_before_head(mut self, cut: Cut) -> Self {
        self.cut_before_head = Some(cut);
        self
    }

    /// Cuts the body into chunks of this many bytes, wherever that falls.
    ///
    /// # Panics
    ///
    /// If `bytes` is zero.
    #[must_use]
    pub fn chunk_size(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "a chunk has at least one byte");
        self.chunking = Chunking::Size(bytes);
        self
    }

    /// Cuts the body into chunks at these byte offsets, wherever they fall.
    #[must_use]
    pub fn chunk_at(mut self, offsets: impl IntoIterator<Item = usize>) -> Self {
        self.chunking = Chunking::At(offsets.into_iter().collect());
        self
    }

    /// Waits this long between two chunks.
    #[must_use]
    pub const fn chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay = delay;
        self
    }

    /// Breaks off after this many chunks, or where the end is due if there are fewer.
    #[must_use]
    pub const fn cut_after(mut self, chunks: usize, cut: Cut) -> Self {
        self.cut_after = Some((chunks, cut));
        self
    }

    /// The event stream ends properly for HTTP, but its last event (`[DONE]`, `message_stop`) is missing.
    #[must_use]
    pub const fn without_terminator(self) -> Self {
        self.end_after(usize::MAX)
    }

    /// The event stream ends after this many events: properly for HTTP, but its last event (`[DONE]`,
    /// `message_stop`) is missing. Other answers are whole.
    #[must_use]
    pub const fn end_after(mut self, events: usize) -> Self {
        self.ending = Ending::Early { after: events };
        self
    }

    /// After this many events of a 200 comes an error event in the provider's shape, then the end.
    #[must_use]
    pub const fn error_event_after(mut self, events: usize) -> Self {
        self.ending = Ending::ErrorEvent {
            after: events,
            terminated: false,
        };
        self
    }

    /// As [`error_event_after`](Self::error_event_after), then the terminator nevertheless: vLLM does so.
    #[must_use]
    pub const fn error_event_then_terminator(mut self, events: usize) -> Self {
        self.ending = Ending::ErrorEvent {
            after: events,
            terminated: true,
        };
        self
    }

    /// Announces no length, where there would be a `Content-Length`.
    #[must_use]
    pub const fn unsized_body(mut self) -> Self {
        self.sized = false;
        self
    }

    /// The completion has this many tokens. Default: 20.
    #[must_use]
    pub const fn tokens(mut self, tokens: usize) -> Self {
        self.tokens = tokens;
        self
    }

    /// Whether a client is meant to see a failure.
    pub(super) fn is_fault(&self) -> bool {
        matches!(self.answer, Answer::Trouble(_))
            || self
                .status
                .is_some_and(|status| status.is_client_error() || status.is_server_error())
            || self.cut_before_head.is_some()
            || self.cut_after.is_some()
            || self.ending != Ending::Proper
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self::well()
    }
}
