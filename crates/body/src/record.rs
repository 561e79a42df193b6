//! What has been read of a body, and where its reader stands in it.

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;

use crate::pool::{ReplayPool, Share};

/// The chunks of one body, as far as it has been read, and the place of the one current reader.
///
/// ```text
///             give up: too long, source failed, or nobody will ask again
///  Keeping ────────────────────────────────────────────────────────────► Passing
///  every chunk is kept,                        a chunk is let go of as it is read,
///  the reader may start over                   there is no way back
/// ```
#[derive(Debug)]
pub(crate) struct Record {
    chunks: Chunks,
    /// Boxed, since hardly any body has them.
    trailers: Option<Box<HeaderMap>>,
    /// How many of `chunks` the reader has had.
    read: usize,
    trailers_read: bool,
    /// Payload bytes in `chunks` that the reader has not had yet.
    unread_bytes: u64,
    keeping: bool,
    max_bytes: usize,
    share: Share,
}

/// A list of chunks. Most bodies have one, which costs no allocation.
#[derive(Debug, Default)]
struct Chunks {
    first: Option<Bytes>,
    rest: Vec<Bytes>,
}

/// The least a chunk counts for: its handle and its place in the list are memory, too. Without it a
/// body of one-byte chunks would hold many times what it admits to.
const MIN_CHUNK: usize = 64;

impl Record {
    pub(crate) fn new(max_bytes: usize, pool: &ReplayPool) -> Self {
        Self {
            chunks: Chunks::default(),
            trailers: None,
            read: 0,
            trailers_read: false,
            unread_bytes: 0,
            keeping: true,
            max_bytes,
            share: pool.share(),
        }
    }

    /// Whether the reader can start over.
    pub(crate) fn is_keeping(&self) -> bool {
        self.keeping
    }

    /// Whether the reader has had everything that is recorded.
    #[inline]
    pub(crate) fn is_read(&self) -> bool {
        self.read == self.chunks.len() && (self.trailers_read || self.trailers.is_none())
    }

    pub(crate) fn unread_bytes(&self) -> u64 {
        self.unread_bytes
    }

    /// What the reader has still to have of it: the chunks, then the trailers.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Option<Frame<Bytes>> {
        if self.is_read() {
            return None;
        }
        match self.next_chunk() {
            Some(chunk) => Some(Frame::data(chunk)),
            None => self.next_trailers().map(Frame::trailers),
        }
    }

    fn next_chunk(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.get_mut(self.read)?;
        let chunk = if self.keeping {
            chunk.clone()
        } else {
            self.share.shrink(weight(chunk));
            std::mem::take(chunk)
        };
        self.read += 1;
        self.unread_bytes -= chunk.len() as u64;
        Some(chunk)
    }

    fn next_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers_read = true;
        if self.keeping {
            self.trailers.as_deref().cloned()
        } else {
            self.trailers.take().map(|trailers| *trailers)
        }
    }

    /// Records a chunk that the reader has just been given.
    pub(crate) fn keep_chunk(&mut self, chunk: &Bytes) {
        if !self.keeping || chunk.is_empty() {
            return;
        }
        if chunk.len() <= self.max_bytes && self.grow(weight(chunk)) {
            self.chunks.push(chunk.clone());
            self.read += 1;
        } else {
            self.give_up();
        }
    }

    fn grow(&mut self, weight: usize) -> bool {
        let whole = self.share.bytes().saturating_add(weight);
        whole <= self.max_bytes.max(MIN_CHUNK) && self.share.grow(weight)
    }

    /// Records trailers that the reader has just been given.
    pub(crate) fn keep_trailers(&mut self, trailers: &HeaderMap) {
        if !self.keeping {
            return;
        }
        let fields = trailers.iter();
        let weight = fields.map(|(name, value)| name.as_str().len() + value.len() + MIN_CHUNK);
        if self.grow(weight.sum()) {
            self.trailers = Some(Box::new(trailers.clone()));
            self.trailers_read = true;
        } else {
            self.give_up();
        }
    }

    /// Lets the reader start over.
    pub(crate) fn rewind(&mut self) {
        debug_assert!(self.keeping, "what has been let go of cannot be read again");
        self.read = 0;
        self.trailers_read = false;
        self.unread_bytes = self.chunks.bytes();
    }

    /// Frees what the reader has had, and keeps nothing from now on.
    pub(crate) fn give_up(&mut self) {
        if !self.keeping {
            return;
        }
        self.keeping = false;
        if self.is_read() {
            self.chunks = Chunks::default();
            self.read = 0;
            self.trailers = None;
            self.share.shrink(self.share.bytes());
        } else {
            // What the reader has still to have stays on the bill until it has it.
            let read = self.chunks.forget(self.read);
            self.share.shrink(read);
        }
    }
}

impl Chunks {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest.len()
    }

    fn get_mut(&mut self, n: usize) -> Option<&mut Bytes> {
        match n.checked_sub(1) {
            None => self.first.as_mut(),
            Some(n) => self.rest.get_mut(n),
        }
    }

    fn push(&mut self, chunk: Bytes) {
        match &self.first {
            None => self.first = Some(chunk),
            Some(_) => self.rest.push(chunk),
        }
    }

    fn bytes(&self) -> u64 {
        let chunks = self.first.iter().chain(&self.rest);
        chunks.map(|chunk| chunk.len() as u64).sum()
    }

    /// Frees the first `n` chunks, whose places stay; what they counted for.
    fn forget(&mut self, n: usize) -> usize {
        let chunks = self.first.iter_mut().chain(&mut self.rest);
        let freed = chunks.take(n).map(std::mem::take);
        freed.map(|chunk| weight(&chunk)).sum()
    }
}

fn weight(chunk: &Bytes) -> usize {
    chunk.len().max(MIN_CHUNK)
}
