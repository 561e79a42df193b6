//! Content among the lines of an event stream.

use memchr::memchr2;

/// Looks for lines of data that are no pings, whatever the stream is cut like.
///
/// It looks at the beginnings of lines, and keeps one beginning that goes over the end of a piece; it
/// allocates nothing. A line of data is content as soon as its beginning says so, so that a long one is
/// progress all the way. A ping is told by the name of its event, which everybody writes before its data,
/// or by the type that its data begin with.
pub(crate) struct Scan {
    pings: &'static [&'static str],
    line: Line,
    /// The event that is under way has the name of a ping.
    is_ping: bool,
    /// A line feed would be part of the end of a line that is over.
    is_after_cr: bool,
    begun: [u8; Self::BEGINNING],
    begun_len: usize,
}

/// What is known of the line that is under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    /// Nothing: too little of it has come.
    Begun,
    Content,
    Other,
}

impl Scan {
    /// So much of a line tells what it is: `data: {"type": "` and the longest name of a ping.
    const BEGINNING: usize = 40;

    pub(crate) const fn new(pings: &'static [&'static str]) -> Self {
        Self {
            pings,
            line: Line::Begun,
            is_ping: false,
            is_after_cr: false,
            begun: [0; Self::BEGINNING],
            begun_len: 0,
        }
    }

    /// Whether there is a part of some content in this piece of the stream.
    pub(crate) fn has_content(&mut self, piece: &[u8]) -> bool {
        let mut rest = piece;
        if !rest.is_empty() && std::mem::take(&mut self.is_after_cr) {
            rest = rest.strip_prefix(b"\n").unwrap_or(rest);
        }
        let mut found = false;
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            found |= self.line(&rest[..end], true);
            let (end, tail) = (rest[end], &rest[end + 1..]);
            self.is_after_cr = end == b'\r' && tail.is_empty();
            rest = match tail {
                [b'\n', tail @ ..] if end == b'\r' => tail,
                tail => tail,
            };
        }
        // Not `||`: it has to be read in any case.
        found | (!rest.is_empty() && self.line(rest, false))
    }

    /// What comes next belongs to no event that has begun.
    pub(crate) const fn skip_to_event(&mut self) {
        *self = Self::new(self.pings);
    }

    /// What comes next may be anywhere in a line.
    pub(crate) const fn skip_to_line(&mut self) {
        self.skip_to_event();
        self.line = Line::Other;
    }

    /// A part of a line, or the rest of it.
    fn line(&mut self, part: &[u8], is_over: bool) -> bool {
        if self.line == Line::Begun {
            if is_over && self.begun_len == 0 {
                self.line = self.kind(part);
            } else {
                let len = part.len().min(Self::BEGINNING - self.begun_len);
                self.begun[self.begun_len..][..len].copy_from_slice(&part[..len]);
                self.begun_len += len;
                if is_over || self.begun_len == Self::BEGINNING {
                    let begun = self.begun;
                    self.line = self.kind(&begun[..self.begun_len]);
                }
            }
        }
        let is_content = self.line == Line::Content;
        if is_over {
            self.line = Line::Begun;
            self.begun_len = 0;
        }
        is_content
    }

    /// What a line is, by its beginning.
    fn kind(&mut self, line: &[u8]) -> Line {
        let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        if line.is_empty() {
            self.is_ping = false;
        } else if let Some(data) = value(line, b"data") {
            if !self.is_ping && self.is_content(data) {
                return Line::Content;
            }
        } else if let Some(name) = value(line, b"event") {
            self.is_ping = self.pings.iter().any(|ping| ping.as_bytes() == name);
        }
        Line::Other
    }

    fn is_content(&self, data: &[u8]) -> bool {
        let is_ping = |kind: &[u8]| {
            let mut pings = self.pings.iter();
            pings.any(|ping| {
                kind.strip_prefix(ping.as_bytes())
                    .is_some_and(|rest| rest.starts_with(b"\""))
            })
        };
        // A comment that something on the way has wrapped into an event is still one.
        !matches!(data, [] | [b':', ..]) && !kind(data).is_some_and(is_ping)
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The value of a field, if it is of that name.
fn value<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let value = line.strip_prefix(name)?.strip_prefix(b":")?;
    Some(value.strip_prefix(b" ").unwrap_or(value))
}

/// What follows the quote before the type of an object that begins with it.
fn kind(data: &[u8]) -> Option<&[u8]> {
    let kind = data.strip_prefix(b"{\"type\":")?.trim_ascii_start();
    kind.strip_prefix(b"\"")
}

#[cfg(test)]
mod tests;
