//! Where something may be put between the bytes of a stream.

use memchr::memchr2;

/// What may be put into a stream at this very place without changing what a client sees.
///
/// Ordered: whatever is safe at one value is safe at the greater ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Safe {
    /// Nothing.
    No,
    /// A comment line that ends in one LF. A blank line would complete an event, or commit an id,
    /// before its time.
    Line,
    /// A comment line, and a blank line behind it: no event is under way.
    Blank,
}

/// Follows a stream that passes by, and tells where a comment could be put into it.
///
/// It keeps no bytes, allocates nothing and looks for nothing but the ends and the first two bytes
/// of lines. It cannot know whether the stream goes on: after the end, trailers or an error nothing
/// may be put anywhere, whatever [`safe`](Self::safe) says.
///
/// # Examples
/// ```
/// use buttress_sse::{Boundary, Safe};
///
/// let mut boundary = Boundary::new();
/// boundary.push(b"data: a\n\n");
/// assert_eq!(boundary.safe(), Safe::Blank);
/// boundary.push(b"data: b\n");
/// assert_eq!(boundary.safe(), Safe::Line);
/// boundary.push(b"da");
/// assert_eq!(boundary.safe(), Safe::No);
/// ```
///
/// # Source
/// WHATWG HTML §9.2.5 and §9.2.6.
#[derive(Debug, Clone)]
pub struct Boundary {
    at: At,
    /// There was a line since the last blank one, and it was no comment.
    pending: bool,
    seen_id: bool,
}

/// Where in the stream the next byte belongs.
///
/// ```text
/// Start ---EF---> Bom1 ---BB---> Bom2 ---BF---> LineStart
///
///           .--':'--> Comment ---------.
/// LineStart +--'i'--> I --'d'--> Id ---+---LF---------------> LineStart
///           '--else-> Field -----------'---CR---> AfterCr --LF--^
/// ```
///
/// At `LineStart` the end of a line makes a blank one. `Start` and `AfterCr` lead on as `LineStart`
/// does; whatever leaves the way to the byte order mark or to `id` is a `Field` like any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Before the first byte: a byte order mark that comes behind something is none.
    Start,
    Bom1,
    Bom2,
    LineStart,
    /// The line is over, but a LF that follows would still be part of its end.
    AfterCr,
    I,
    Id,
    Field,
    Comment,
}

impl Boundary {
    /// At the start of a stream.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            at: At::Start,
            pending: false,
            seen_id: false,
        }
    }

    /// Follows the stream over these bytes.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            rest = match self.at {
                At::Field | At::Comment => self.skip_line(rest),
                At::LineStart => self.begin_line(first, tail),
                at => self.step(at, first, rest),
            };
        }
    }

    /// What may be put here.
    #[must_use]
    pub const fn safe(&self) -> Safe {
        match (self.at, self.pending) {
            (At::LineStart, false) => Safe::Blank,
            (At::LineStart, true) => Safe::Line,
            _ => Safe::No,
        }
    }

    /// Whether the stream has had an `id` field.
    ///
    /// Some clients take each blank line for an event from then on, so that a comment is better put
    /// in without one.
    #[must_use]
    pub const fn seen_id(&self) -> bool {
        self.seen_id
    }

    /// Skips to the end of a line and behind it.
    #[inline]
    fn skip_line<'a>(&mut self, rest: &'a [u8]) -> &'a [u8] {
        let Some(end) = memchr2(b'\n', b'\r', rest) else {
            return &[];
        };
        match &rest[end..] {
            // Most events end like this, and then it does not matter what they were.
            [b'\n', b'\n', rest @ ..] => {
                self.pending = false;
                self.at = At::LineStart;
                rest
            }
            [end, rest @ ..] => {
                self.pending |= self.at == At::Field;
                self.at = after(*end);
                rest
            }
            [] => &[],
        }
    }

    #[inline]
    fn begin_line<'a>(&mut self, first: u8, rest: &'a [u8]) -> &'a [u8] {
        self.at = match first {
            b'\n' | b'\r' => {
                self.pending = false;
                after(first)
            }
            b':' => At::Comment,
            b'i' => At::I,
            _ => {
                self.at = At::Field;
                return self.skip_line(rest);
            }
        };
        rest
    }

    /// Takes a byte where single ones matter, or leaves it to the field that this turns out to be.
    #[cold]
    fn step<'a>(&mut self, at: At, first: u8, rest: &'a [u8]) -> &'a [u8] {
        self.at = match (at, first) {
            (At::Start, 0xEF) => At::Bom1,
            (At::Bom1, 0xBB) => At::Bom2,
            (At::Bom2, 0xBF) | (At::AfterCr, b'\n') => At::LineStart,
            (At::Start | At::AfterCr, _) => return self.begin_line(first, &rest[1..]),
            (At::I, b'd') => At::Id,
            (At::Id, b':' | b'\n' | b'\r') => {
                self.seen_id = true;
                At::Field
            }
            _ => At::Field,
        };
        &rest[usize::from(self.at != At::Field)..]
    }
}

impl Default for Boundary {
    fn default() -> Self {
        Self::new()
    }
}

const fn after(end: u8) -> At {
    if end == b'\n' {
        At::LineStart
    } else {
        At::AfterCr
    }
}

#[cfg(test)]
mod tests {
    use super::{Boundary, Safe};

    fn after(bytes: &[u8]) -> Boundary {
        let mut boundary = Boundary::new();
        boundary.push(bytes);
        boundary
    }

    #[test]
    fn nothing_is_safe_where_a_byte_order_mark_may_come() {
        for begun in [
            &b""[..],
            b"\xEF",
            b"\xEF\xBB",
            b"\xEF\xBBx",
            b"\xEF\xEF\xBB\xBF",
        ] {
            assert_eq!(after(begun).safe(), Safe::No, "{begun:?}");
        }
        assert_eq!(after(b"\xEF\xBB\xBF").safe(), Safe::Blank);
        assert_eq!(after(b"\xEF\xBB\n").safe(), Safe::Line);
    }

    #[test]
    fn nothing_is_safe_after_a_cr_until_the_next_byte_is_known() {
        assert_eq!(after(b"data: a\r").safe(), Safe::No);
        assert_eq!(after(b"data: a\r\r").safe(), Safe::No);
        assert_eq!(after(b"data: a\r\n").safe(), Safe::Line);
        assert_eq!(after(b"data: a\r\n\r\n").safe(), Safe::Blank);
        assert_eq!(after(b"data: a\r:\n").safe(), Safe::Line);
    }

    #[test]
    fn comments_alone_are_no_event() {
        assert_eq!(after(b": a\n").safe(), Safe::Blank);
        assert_eq!(after(b": a\ndata\n: b\n").safe(), Safe::Line);
        assert_eq!(after(b" : a\n").safe(), Safe::Line);
        assert_eq!(after(b"\n \n").safe(), Safe::Line);
    }

    #[test]
    fn an_id_is_seen_wherever_its_line_is_cut() {
        for id in [
            &b"id: 7\n"[..],
            b"\xEF\xBB\xBFid:",
            b"data\rid\r",
            b"id\n",
            b"\r\nid: \0\n",
        ] {
            assert!(after(id).seen_id(), "{id:?}");
            let mut bytewise = Boundary::new();
            id.iter().for_each(|byte| bytewise.push(&[*byte]));
            assert!(bytewise.seen_id(), "{id:?} byte by byte");
        }
        for other in [
            &b"ida: 7\n"[..],
            b": id: 7\n",
            b" id: 7\n",
            b"ID: 7\n",
            b"i\n",
            b"id",
        ] {
            assert!(!after(other).seen_id(), "{other:?}");
        }
    }
}
