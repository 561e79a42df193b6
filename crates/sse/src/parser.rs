//! Bytes in, events out.

use std::fmt;
use std::time::Duration;

use crate::error::LimitExceeded;
use crate::event::Event;
use crate::field::Field;
use crate::line::Lines;
use crate::pending::{Lent, Pending};

/// Reads events from the chunks of a stream, as every browser does.
///
/// Where the stream is cut into chunks makes no difference. Its end needs no call: an event that no
/// blank line has completed is not one, and its id is not kept.
///
/// # Defaults
///
/// | setting | value | why |
/// |---|---|---|
/// | [`max_line_bytes`](Self::max_line_bytes) | 16 MiB | an image in base64 is one line |
/// | [`max_event_bytes`](Self::max_event_bytes) | 16 MiB | and its event has no other |
///
/// What is kept in memory is bounded by a few times these two. An event that comes in one chunk, with
/// one line of data, is not kept at all, but lent from there.
///
/// # Errors
/// A line or an event over its limit is [`LimitExceeded`]: nothing can be said about what follows it.
/// The events before it have been handed out. From then on every call fails alike and takes nothing,
/// while [`last_event_id`](Self::last_event_id) and [`retry`](Self::retry) stay what they were;
/// [`restart`](Self::restart) begins anew. Bytes that are no UTF-8 are no error.
///
/// # Examples
/// ```
/// use buttress_sse::Parser;
///
/// let mut parser = Parser::new().max_line_bytes(64 * 1024);
/// let mut seen = Vec::new();
/// for chunk in ["id: 7\nevent: greeting\ndata: Hel", "lo\n\n: keepalive\n\ndata: [DO", "NE]\n\n"] {
///     let mut chunk = chunk.as_bytes();
///     while let Some(event) = parser.next_event(&mut chunk)? {
///         seen.push(format!("{} {} {}", event.id(), event.name(), event.data()));
///     }
/// }
/// assert_eq!(seen, ["7 greeting Hello", "7 message [DONE]"]);
/// # Ok::<(), buttress_sse::LimitExceeded>(())
/// ```
///
/// # Source
/// WHATWG HTML §9.2.5 (parsing) and §9.2.6 (interpreting an event stream).
pub struct Parser {
    lines: Lines,
    pending: Pending,
    max_event: usize,
    /// The id that the next blank line commits, and whether it says anything new.
    id: String,
    id_is_new: bool,
    last_event_id: String,
    retry: Option<Duration>,
    failed: Option<LimitExceeded>,
}

impl Parser {
    /// The default of [`max_line_bytes`](Self::max_line_bytes): 16 MiB.
    pub const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;
    /// The default of [`max_event_bytes`](Self::max_event_bytes): 16 MiB.
    pub const MAX_EVENT_BYTES: usize = 16 * 1024 * 1024;

    /// A parser at the start of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self {
            lines: Lines::new(Self::MAX_LINE_BYTES),
            pending: Pending::default(),
            max_event: Self::MAX_EVENT_BYTES,
            id: String::new(),
            id_is_new: false,
            last_event_id: String::new(),
            retry: None,
            failed: None,
        }
    }

    /// The longest line that is accepted, in bytes and without its end. Comments count, too.
    /// Default: 16 MiB.
    #[must_use]
    pub fn max_line_bytes(mut self, max: usize) -> Self {
        self.lines.set_max(max);
        self
    }

    /// The most data that one event may have over all of its lines, in bytes. A limit above that of a
    /// line admits events of several lines. Default: 16 MiB.
    #[must_use]
    pub fn max_event_bytes(mut self, max: usize) -> Self {
        self.max_event = max;
        self
    }

    /// Reads up to the end of the next event, and takes what it has read off the chunk.
    ///
    /// What is left is what follows the event. `None`: the chunk is used up, and the next one is due.
    /// Hand in the same chunk until then: what is left of it would be missing from the stream.
    ///
    /// # Errors
    /// [`LimitExceeded`] once a line or an event is over its limit, and from then on.
    pub fn next_event<'e, 'c: 'e>(
        &'e mut self,
        chunk: &mut &'c [u8],
    ) -> Result<Option<Event<'e>>, LimitExceeded> {
        if let Some(failed) = self.failed {
            return Err(failed);
        }
        if chunk.is_empty() {
            return Ok(None);
        }
        self.pending.renew();
        let mut lent = Lent::default();
        match self.read(chunk, &mut lent) {
            Ok(true) => Ok(Some(self.pending.event(&lent, &self.last_event_id))),
            Ok(false) => {
                self.pending.keep(&lent);
                Ok(None)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Ends the stream and expects the start of another, as a client does that connects again.
    ///
    /// What was under way is forgotten. The last id and the time to wait stay.
    pub fn restart(&mut self) {
        self.lines.restart();
        self.pending.clear();
        self.id_is_new = false;
        self.failed = None;
    }

    /// The id to connect again with: the last one that a blank line has followed. Empty: none.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.last_event_id
    }

    /// How long the stream has asked to wait before connecting again, if it did.
    #[must_use]
    pub const fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Reads lines until one completes an event, or the chunk is used up.
    fn read<'c>(
        &mut self,
        chunk: &mut &'c [u8],
        lent: &mut Lent<'c>,
    ) -> Result<bool, LimitExceeded> {
        while let Some(line) = self.lines.next(chunk)? {
            if line.get().is_empty() {
                if self.id_is_new {
                    self.id_is_new = false;
                    self.last_event_id.clone_from(&self.id);
                }
                if self.pending.has_data(lent) {
                    return Ok(true);
                }
                self.pending.clear();
                *lent = Lent::default();
                continue;
            }
            let (field, at) = Field::of(line.get());
            let value = line.from(at);
            match field {
                Field::Data => self.pending.data(lent, value, self.max_event)?,
                Field::Event => self.pending.name(lent, value),
                Field::Id if value.get().contains(&0) => {}
                Field::Id => {
                    self.id.clear();
                    self.id.push_str(&String::from_utf8_lossy(value.get()));
                    self.id_is_new = true;
                }
                Field::Retry => self.retry = millis(value.get()).or(self.retry),
                Field::Other => {}
            }
        }
        Ok(false)
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Parser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parser")
            .field("lines", &self.lines)
            .field("pending", &self.pending.len())
            .field("max_event_bytes", &self.max_event)
            .field("retry", &self.retry)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// ASCII digits and nothing else, saturating.
fn millis(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let millis = value.iter().fold(0u64, |millis, digit| {
        millis
            .saturating_mul(10)
            .saturating_add(u64::from(digit - b'0'))
    });
    Some(Duration::from_millis(millis))
}
