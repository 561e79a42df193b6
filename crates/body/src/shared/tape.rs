//! What the source has said so far, and how far each reader is.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use slab::Slab;

/// Pure: chunks in, chunks out, each reader at its own pace.
///
/// ```text
///           longer than max_bytes
///   Whole ─────────────────────────► Rolling
///   all is kept,                     what the slowest reader has had is let go of,
///   anybody may join                 nobody may join
/// ```
#[derive(Debug)]
pub(crate) struct Tape {
    chunks: VecDeque<Bytes>,
    /// The number of the first chunk that is kept.
    first: u64,
    /// What `chunks` count for.
    weight: usize,
    /// What all chunks so far count for.
    pushed: u64,
    max_bytes: usize,
    is_rolling: bool,
    trailers: Option<HeaderMap>,
    ending: Option<Ending>,
    readers: Slab<Reader>,
    /// How many readers have still to read the first chunk.
    at_first: usize,
}

#[derive(Debug, Clone, Copy)]
struct Reader {
    /// The number of the chunk that it reads next.
    next: u64,
    /// What it has read counts for so much.
    had: u64,
    /// It has held the others back.
    is_warned: bool,
    has_fallen_behind: bool,
}

/// How it ended.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    Complete,
    Failed(Arc<dyn std::error::Error + Send + Sync>),
}

/// What a reader gets next.
#[derive(Debug)]
pub(crate) enum Read {
    Chunk(Bytes),
    Trailers(HeaderMap),
    End(Ending),
    FellBehind,
    /// Not there yet.
    Nothing,
}

/// Whether there is room for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Ample,
    /// Somebody is more than half of the window behind.
    Tight,
    None,
}

/// The least a chunk counts for: its handle and its place in the list are memory, too.
const MIN_CHUNK: usize = 64;

impl Tape {
    pub(crate) const fn new(max_bytes: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            first: 0,
            weight: 0,
            pushed: 0,
            max_bytes,
            is_rolling: false,
            trailers: None,
            ending: None,
            readers: Slab::new(),
            at_first: 0,
        }
    }

    /// A reader at the very beginning, unless that is gone.
    pub(crate) fn join(&mut self) -> Option<usize> {
        if self.is_rolling {
            return None;
        }
        self.at_first += 1;
        Some(self.readers.insert(Reader {
            next: 0,
            had: 0,
            is_warned: false,
            has_fallen_behind: false,
        }))
    }

    /// Returns whether that made room where there was none.
    pub(crate) fn leave(&mut self, reader: usize) -> bool {
        let was_full = self.room() == Room::None;
        if let Some(left) = self.readers.try_remove(reader) {
            self.step_off(left.next);
        }
        was_full && self.room() != Room::None
    }

    /// What `reader` gets, and whether the source is to be asked again: there is room where there was none, or one waits
    /// for it now.
    pub(crate) fn read(&mut self, reader: usize) -> (Read, bool) {
        let Some(at) = self.readers.get_mut(reader) else {
            return (Read::Nothing, false);
        };
        if at.has_fallen_behind {
            return (Read::FellBehind, false);
        }
        let chunk = usize::try_from(at.next - self.first).ok();
        let chunk = chunk.and_then(|n| self.chunks.get(n));
        let Some(chunk) = chunk.cloned() else {
            return (self.read_end(reader), false);
        };
        let next = at.next;
        at.next += 1;
        at.had += weight(&chunk) as u64;
        let was_full = self.room() == Room::None;
        let is_at_front = next + 1 == self.next();
        self.step_off(next);
        let has_room = self.room() != Room::None;
        (Read::Chunk(chunk), was_full && (has_room || is_at_front))
    }

    fn read_end(&mut self, reader: usize) -> Read {
        let end = self.next();
        match (self.readers.get_mut(reader), &self.trailers, &self.ending) {
            // One more than the chunks: it has had the trailers.
            (Some(at), Some(trailers), _) if at.next == end => {
                at.next += 1;
                Read::Trailers(trailers.clone())
            }
            (_, _, Some(ending)) => Read::End(ending.clone()),
            _ => Read::Nothing,
        }
    }

    /// Whether `reader` has had all that there will be.
    pub(crate) fn is_read(&self, reader: usize) -> bool {
        let end = self.next() + u64::from(self.trailers.is_some());
        let at = self.readers.get(reader);
        matches!(self.ending, Some(Ending::Complete))
            && at.is_some_and(|at| at.next == end && !at.has_fallen_behind)
    }

    pub(crate) fn push_chunk(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return; // it tells nobody anything
        }
        let weight = weight(&chunk);
        self.weight += weight;
        self.chunks.push_back(chunk);
        self.pushed += weight as u64;
        if !self.is_rolling && self.weight > self.max_bytes {
            // ## Whole => Rolling
            self.is_rolling = true;
        }
        self.roll();
    }

    pub(crate) fn push_trailers(&mut self, trailers: HeaderMap) {
        self.trailers = Some(trailers);
    }

    /// The first ending counts.
    pub(crate) fn end(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    pub(crate) const fn ending(&self) -> Option<&Ending> {
        self.ending.as_ref()
    }

    /// Whether somebody who joined now would get everything from the first byte on.
    pub(crate) const fn is_whole(&self) -> bool {
        !self.is_rolling
    }

    /// Whether it has ended well, and whoever joined now would get all of it.
    pub(crate) const fn is_complete(&self) -> bool {
        self.is_whole() && matches!(self.ending, Some(Ending::Complete))
    }

    pub(crate) const fn weight(&self) -> usize {
        self.weight
    }

    pub(crate) const fn room(&self) -> Room {
        if !self.is_rolling || self.weight <= self.max_bytes / 2 {
            Room::Ample
        } else if self.weight < self.max_bytes {
            Room::Tight
        } else {
            Room::None
        }
    }

    /// Whether somebody has had all that there is, and would have more.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.readers
            .iter()
            .any(|(_, reader)| reader.next == self.next())
    }

    /// Notes who holds the others back: all that are more than half of the window behind.
    pub(crate) fn warn_laggards(&mut self) {
        for (_, reader) in &mut self.readers {
            reader.is_warned = self.pushed - reader.had > self.max_bytes as u64 / 2;
        }
    }

    /// Gives up on whoever was warned, and has not come out of the far half of the window since.
    pub(crate) fn drop_laggards(&mut self) {
        let bearable = self.max_bytes as u64 / 2;
        for (_, reader) in &mut self.readers {
            let is_far = self.pushed - reader.had > bearable && !reader.has_fallen_behind;
            if std::mem::take(&mut reader.is_warned) && is_far {
                reader.has_fallen_behind = true;
                reader.next = u64::MAX; // it holds nothing back any more
            }
        }
        self.at_first = 0;
        self.roll();
    }

    /// The number of the chunk that comes next.
    fn next(&self) -> u64 {
        self.first + self.chunks.len() as u64
    }

    /// A reader has moved on from the chunk of that number.
    fn step_off(&mut self, next: u64) {
        if next == self.first {
            self.at_first -= 1;
            self.roll();
        }
    }

    /// Lets go of what everybody has had.
    fn roll(&mut self) {
        if !self.is_rolling || self.at_first > 0 {
            return;
        }
        let end = self.next();
        let readers = || self.readers.iter().map(|(_, reader)| reader.next);
        let slowest = readers().min().unwrap_or(end).min(end);
        while self.first < slowest {
            if let Some(chunk) = self.chunks.pop_front() {
                self.weight -= weight(&chunk);
            }
            self.first += 1;
        }
        self.at_first = readers().filter(|next| *next == slowest).count();
    }
}

fn weight(chunk: &Bytes) -> usize {
    chunk.len().max(MIN_CHUNK)
}

#[cfg(test)]
mod tests;
