//! Lines out of chunks, whatever the chunks are cut like.

use std::fmt;

use memchr::memchr2;

use crate::error::{Limit, LimitExceeded};

const BOM: [u8; 3] = [0xEF, 0xBB, 0xBF];

/// Cuts chunks into lines, at LF, CR and CRLF, and drops one byte order mark at the very start.
///
/// A line that lies in one chunk is lent from there; only one that goes over the end of a chunk is
/// copied. A CR ends its line at once: a LF behind it, in this chunk or the next, is dropped.
pub(crate) struct Lines {
    /// The beginning of a line whose end has not come yet.
    begun: Vec<u8>,
    /// The last line that was put together there.
    whole: Vec<u8>,
    before: Before,
    max: usize,
}

/// What came before the next byte, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// So much of a byte order mark, and nothing else.
    Bom(usize),
    /// A CR: a LF would be part of the same end of a line.
    Cr,
    Nothing,
}

/// Bytes that are lent by the chunk `'c`, or by a buffer that the next line overwrites.
#[derive(Clone, Copy)]
pub(crate) enum Bytes<'b, 'c> {
    Chunk(&'c [u8]),
    Buffer(&'b [u8]),
}

impl Lines {
    pub(crate) const fn new(max: usize) -> Self {
        Self {
            begun: Vec::new(),
            whole: Vec::new(),
            before: Before::Bom(0),
            max,
        }
    }

    /// The next line without its end, or `None` once the chunk holds no further end of a line.
    #[inline]
    pub(crate) fn next<'b, 'c>(
        &'b mut self,
        chunk: &mut &'c [u8],
    ) -> Result<Option<Bytes<'b, 'c>>, LimitExceeded> {
        if self.before != Before::Nothing {
            self.resume(chunk);
        }
        let Some(end) = line_end(chunk) else {
            self.begin(std::mem::take(chunk))?;
            return Ok(None);
        };
        let (line, rest) = chunk.split_at(end);
        *chunk = &rest[1..];
        if rest[0] == b'\r' {
            self.skip_lf(chunk);
        }
        if self.begun.is_empty() {
            self.check(line.len())?;
            return Ok(Some(Bytes::Chunk(line)));
        }
        self.begin(line)?;
        self.whole.clear();
        std::mem::swap(&mut self.whole, &mut self.begun);
        Ok(Some(Bytes::Buffer(&self.whole)))
    }

    pub(crate) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Forgets the line that has begun and expects the start of another stream.
    pub(crate) fn restart(&mut self) {
        self.begun.clear();
        self.before = Before::Bom(0);
    }

    fn begin(&mut self, part: &[u8]) -> Result<(), LimitExceeded> {
        self.check(self.begun.len() + part.len())?;
        self.begun.extend_from_slice(part);
        Ok(())
    }

    fn check(&self, len: usize) -> Result<(), LimitExceeded> {
        if len > self.max {
            return Err(LimitExceeded::new(Limit::Line, self.max));
        }
        Ok(())
    }

    /// Drops what belongs to the bytes before, as far as it has come.
    #[cold]
    fn resume(&mut self, chunk: &mut &[u8]) {
        match self.before {
            Before::Bom(seen) => self.skip_bom(seen, chunk),
            Before::Cr => self.skip_lf(chunk),
            Before::Nothing => {}
        }
    }

    fn skip_bom(&mut self, mut seen: usize, chunk: &mut &[u8]) {
        while let (Some(&wanted), Some((&next, rest))) = (BOM.get(seen), chunk.split_first()) {
            if next != wanted {
                // It only began like one: it is the beginning of the first line.
                self.begun.extend_from_slice(&BOM[..seen]);
                self.before = Before::Nothing;
                return;
            }
            seen += 1;
            *chunk = rest;
        }
        if seen == BOM.len() {
            self.before = Before::Nothing;
        } else {
            self.before = Before::Bom(seen);
        }
    }

    fn skip_lf(&mut self, chunk: &mut &[u8]) {
        let Some((&next, rest)) = chunk.split_first() else {
            self.before = Before::Cr;
            return;
        };
        self.before = Before::Nothing;
        if next == b'\n' {
            *chunk = rest;
        }
    }
}

impl<'b, 'c: 'b> Bytes<'b, 'c> {
    pub(crate) fn get(self) -> &'b [u8] {
        match self {
            Self::Chunk(bytes) => bytes,
            Self::Buffer(bytes) => bytes,
        }
    }

    /// The bytes from `at` on.
    pub(crate) fn from(self, at: usize) -> Self {
        match self {
            Self::Chunk(bytes) => Self::Chunk(&bytes[at..]),
            Self::Buffer(bytes) => Self::Buffer(&bytes[at..]),
        }
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("begun", &self.begun.len())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

/// Where the line ends. Blank lines, every second one in most streams, are not worth a scan.
fn line_end(bytes: &[u8]) -> Option<usize> {
    match bytes.first() {
        Some(b'\n' | b'\r') => Some(0),
        _ => memchr2(b'\n', b'\r', bytes),
    }
}
