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
    /// The line is over, but a LF that follows would still be part of its end.
    AfterCr,
    I,
    Id,
    // The last three are most of a stream, and told from the others by one comparison.
    LineStart,
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
    ///
    /// One line with a blank one behind it, as most frames of a stream are, costs a look for the ends of
    /// lines and nothing else.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) {
        if self.is_line_and_blank(bytes) {
            self.at = At::LineStart;
            self.pending = false;
        } else {
            self.follow(bytes);
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

    /// Whether these bytes end an event, and hold no `id` that has yet to be seen. It may say no too often.
    #[inline]
    fn is_line_and_blank(&self, bytes: &[u8]) -> bool {
        let [line @ .., b'\n', b'\n'] = bytes else {
            return false;
        };
        // The first byte last: looked at before, it would be cut out of the block that it is in.
        self.seen_id
            || (matches!(self.at, At::LineStart | At::Field | At::Comment)
                && is_one_line(line)
                && line.first() != Some(&b'i'))
    }

    #[inline(never)]
    fn follow(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((&first, tail)) = rest.split_first() {
            rest = match self.at {
                At::Field | At::Comment => self.skip_line(rest),
                At::LineStart => self.begin_line(first, tail),
                at => self.step(at, first, rest),
            };
        }
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

/// Whether there is no end of a line, nor another of the lower control characters, in a line of common
/// length: a search would take more to begin than this takes altogether.
#[inline]
fn is_one_line(line: &[u8]) -> bool {
    let Some((first, rest)) = line.split_first_chunk().filter(|_| line.len() <= COMMON) else {
        return false;
    };
    // Lane by lane, so that it compiles to two instructions per block. The last one may overlap another.
    let mut least: [u8; BLOCK] = *first;
    let mut take = |block: &[u8]| {
        for (least, byte) in least.iter_mut().zip(block) {
            *least = (*least).min(*byte);
        }
    };
    take(&line[line.len() - BLOCK..]);
    if line.len() > 2 * BLOCK {
        rest.chunks_exact(BLOCK).for_each(take);
    }
    let low = |low, byte: &u8| low | (*byte <= b'\r');
    !least.iter().fold(false, low)
}

const BLOCK: usize = 32;
/// Above it a search is quicker.
const COMMON: usize = 512;

const fn after(end: u8) -> At {
    if end == b'\n' {
        At::LineStart
    } else {
        At::AfterCr
    }
}

#[cfg(test)]
mod tests;
