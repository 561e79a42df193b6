//! Where a comment may go, and which one.

use buttress_sse::{Boundary, Safe};
use bytes::{Buf, Bytes, BytesMut};

/// How a heartbeat is written.
///
/// All of them are one comment, which no client shows to anybody. They differ in the blank line behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// With a blank line, until the stream has had an `id` or an event is under way; without one then.
    ///
    /// Some hand-written clients split a stream at blank lines and look at the first line of a piece only:
    /// they want one. A decoder that several Python SDKs share takes every blank line for an event once
    /// there is an id: it must get none.
    #[default]
    Auto,
    /// `: keepalive` and a blank line, between events only.
    Blank,
    /// `: keepalive` alone, between any two lines.
    Line,
}

/// Tells where heartbeats may be put into a stream of events that passes by, and which.
///
/// Pure: it knows no time and awaits nothing. Every chunk goes through [`follow`](Self::follow) on its
/// way; between two chunks [`comment`](Self::comment) gives the heartbeat that may be sent there. A client
/// that reads the stream with them sees the same events, with the same ids, as one that reads it without.
///
/// A comment before the first byte would make the stream's byte order mark, if it has one, a part of its
/// first line. That mark is taken out then; nothing else is ever changed.
///
/// It cannot know whether the stream goes on: behind its end, trailers or an error nothing may be sent.
///
/// # Examples
/// ```
/// use buttress_heartbeat::{Form, Injector};
/// use bytes::Bytes;
///
/// let mut injector = Injector::new(Form::Auto);
/// injector.follow(&mut Bytes::from("data: Hel"));
/// assert_eq!(injector.comment(), None, "in the middle of a line");
/// injector.follow(&mut Bytes::from("lo\n"));
/// assert_eq!(injector.comment().as_deref(), Some(&b": keepalive\n"[..]));
/// injector.follow(&mut Bytes::from("\n"));
/// assert_eq!(injector.comment().as_deref(), Some(&b": keepalive\n\n"[..]));
/// ```
#[derive(Debug, Clone)]
pub struct Injector {
    boundary: Boundary,
    form: Form,
    opening: Opening,
}

/// What is known about the first bytes of the stream.
///
/// ```text
/// Ahead ---bytes------------------------> Past
///   '---comment---> Ours(0..=2) --bytes---^
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// Nothing has been sent.
    Ahead,
    /// A comment of ours was first, and the stream has had so many bytes of a byte order mark, kept back.
    Ours(u8),
    Past,
}

impl Injector {
    /// At the start of a stream.
    #[must_use]
    pub const fn new(form: Form) -> Self {
        Self {
            boundary: Boundary::new(),
            form,
            opening: Opening::Ahead,
        }
    }

    /// Follows the stream over its next chunk, whatever its length.
    ///
    /// The chunk stays as it is, but for a byte order mark behind a comment of ours.
    #[inline]
    pub fn follow(&mut self, chunk: &mut Bytes) {
        if self.opening != Opening::Past {
            // By value: a chunk whose place is known to others cannot stay in registers.
            *chunk = self.open(std::mem::take(chunk));
        }
        self.boundary.push(chunk);
    }

    /// The heartbeat that may be sent here, in a buffer that is nobody's. `None`: none is safe.
    ///
    /// Whoever takes it sends it.
    pub fn comment(&mut self) -> Option<Bytes> {
        let safe = match self.opening {
            Opening::Ahead => Safe::Blank,
            Opening::Ours(_) | Opening::Past => self.boundary.safe(),
        };
        let comment = match (safe, self.form) {
            (Safe::No, _) | (Safe::Line, Form::Blank) => return None,
            (Safe::Blank, Form::Blank) => BLANK,
            (Safe::Blank, Form::Auto) if !self.boundary.seen_id() => BLANK,
            (Safe::Blank | Safe::Line, Form::Auto | Form::Line) => LINE,
        };
        if self.opening == Opening::Ahead {
            self.opening = Opening::Ours(0);
        }
        self.boundary.push(comment);
        Some(Bytes::from_static(comment))
    }

    /// How many bytes of the stream may still be taken out.
    pub(crate) const fn may_remove(&self) -> u64 {
        match self.opening {
            Opening::Past => 0,
            Opening::Ahead | Opening::Ours(_) => MARK.len() as u64,
        }
    }

    #[cold]
    fn open(&mut self, mut chunk: Bytes) -> Bytes {
        if chunk.is_empty() {
            return chunk;
        }
        let Opening::Ours(kept) = self.opening else {
            self.opening = Opening::Past;
            return chunk;
        };
        let (kept, expected) = MARK.split_at(usize::from(kept));
        let alike = expected.iter().zip(&chunk[..]).take_while(|(a, b)| a == b);
        let alike = alike.count();
        self.opening = Opening::Past;
        if alike == expected.len() {
            chunk.advance(alike);
        } else if alike == chunk.len() {
            chunk.clear();
            self.opening = Opening::Ours(at(kept.len() + alike));
        } else if !kept.is_empty() {
            // It was none, and what was kept back comes first.
            let mut whole = BytesMut::with_capacity(kept.len() + chunk.len());
            whole.extend_from_slice(kept);
            whole.extend_from_slice(&chunk);
            return whole.freeze();
        }
        chunk
    }
}

const BLANK: &[u8] = b": keepalive\n\n";
const LINE: &[u8] = b": keepalive\n";

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// A place in the mark.
fn at(place: usize) -> u8 {
    u8::try_from(place).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Bytes, Form, Injector, MARK};

    /// What is sent for these chunks with a comment, if one is safe, wherever there is a `None`.
    fn sent(form: Form, steps: &[Option<&'static [u8]>]) -> Vec<u8> {
        let mut injector = Injector::new(form);
        let mut sent = Vec::new();
        for step in steps {
            let mut bytes = match step {
                Some(chunk) => Bytes::from_static(chunk),
                None => injector.comment().unwrap_or_default(),
            };
            if step.is_some() {
                injector.follow(&mut bytes);
            }
            sent.extend_from_slice(&bytes);
        }
        sent
    }

    #[test]
    fn without_a_comment_before_it_a_byte_order_mark_stays() {
        let stream = sent(Form::Auto, &[Some(b"\xEF\xBB\xBFdata\n\n"), None]);
        assert_eq!(stream, b"\xEF\xBB\xBFdata\n\n: keepalive\n\n");
    }

    #[test]
    fn behind_a_comment_of_ours_one_byte_order_mark_is_taken_out_however_it_is_cut() {
        for cut in 0..=MARK.len() {
            let (begin, rest) = MARK.split_at(cut);
            let steps = [None, Some(begin), None, Some(rest), None, Some(MARK)];
            let hearts = b": keepalive\n\n".repeat(3);
            assert_eq!(sent(Form::Auto, &steps), [&hearts, MARK].concat(), "{cut}");
        }
    }

    #[test]
    fn what_only_began_like_a_byte_order_mark_is_all_there() {
        let steps = [
            None,
            Some(&b"\xEF"[..]),
            Some(b""),
            Some(b"\xBB"),
            Some(b"a\n"),
        ];
        assert_eq!(sent(Form::Line, &steps), b": keepalive\n\xEF\xBBa\n");
        let steps = [None, Some(&b"\xEF\xBBa"[..])];
        assert_eq!(sent(Form::Line, &steps), b": keepalive\n\xEF\xBBa");
    }

    #[test]
    fn the_blank_form_waits_for_the_end_of_an_event_and_the_others_for_that_of_a_line() {
        let steps = [Some(&b"data: a\n"[..]), None, Some(b"\n"), None];
        let line = b"data: a\n: keepalive\n\n: keepalive\n".to_vec();
        assert_eq!(sent(Form::Line, &steps), line);
        assert_eq!(sent(Form::Auto, &steps), [&line[..], b"\n"].concat());
        assert_eq!(sent(Form::Blank, &steps), b"data: a\n\n: keepalive\n\n");
    }
}
