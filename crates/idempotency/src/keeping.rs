//! What is kept of an answer, and for how long.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode};

use crate::fingerprint::Fingerprint;
use crate::notes::{Head, Notes};
use crate::stored::Stored;

/// What is kept, and for how long.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keeping {
    pub(crate) ttl: Duration,
    pub(crate) max_body: usize,
    pub(crate) max_run: Duration,
    /// Also final answers that say that the request was at fault.
    pub(crate) errors: bool,
}

/// What has passed so far. By reference count, as those who read it have it.
#[derive(Debug, Default)]
pub(crate) struct Record {
    chunks: Vec<Bytes>,
    bytes: usize,
    /// What it takes in memory, until it is put together.
    weight: usize,
}

impl Record {
    pub(crate) fn push(&mut self, data: &Bytes, max_bytes: usize) {
        if data.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(data.len());
        self.weight = self.weight.saturating_add(data.len().max(CHUNK));
        if self.weight > max_bytes {
            self.chunks = Vec::new();
        } else {
            self.chunks.push(data.clone());
        }
    }

    /// All of it, in memory of its own: chunks are parts of the buffers that they were read into.
    fn take(&mut self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.bytes);
        for chunk in std::mem::take(&mut self.chunks) {
            whole.extend_from_slice(&chunk);
        }
        whole.freeze()
    }
}

impl Keeping {
    /// The answer to be kept, or why not, if that is not because of what it says.
    pub(crate) fn answer(
        &self,
        notes: &Notes,
        record: &mut Record,
        trailers: Option<&HeaderMap>,
    ) -> Result<Stored, Option<&'static str>> {
        let (Some(Head { parts, .. }), Some(outcome)) = (notes.head(), notes.outcome()) else {
            return Err(None);
        };
        let is_kept = outcome.is_success() || (self.errors && parts.status.is_client_error());
        if !is_kept || is_never_kept(parts.status) {
            return Err(None);
        }
        if record.weight > self.max_body {
            return Err(Some("its answer is too long"));
        }
        if !has_length(&parts.headers, record.bytes) {
            return Err(Some("it has another length than it says"));
        }
        let fingerprint = notes.fingerprint();
        let fingerprint = fingerprint.filter(Fingerprint::is_known);
        let fingerprint = fingerprint.ok_or("its request was not read to its end")?;
        let (headers, trailers) = (parts.headers.clone(), trailers.cloned());
        let body = record.take();
        Ok(Stored::new(
            parts.status,
            headers,
            body,
            trailers,
            fingerprint,
        ))
    }
}

/// Whether so many bytes are what the head has promised, if it has.
fn has_length(headers: &HeaderMap, bytes: usize) -> bool {
    let lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut lengths = lengths.map(|length| length.to_str().ok()?.parse().ok());
    lengths.all(|length| length == Some(bytes))
}

/// Answers that speak of this moment and not of the request, whatever a classifier makes of them; and those to a range
/// or a condition, which no fingerprint knows of.
fn is_never_kept(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 206 | 304 | 408 | 409 | 425 | 429)
}

/// What the shortest chunk counts for, as in [`buttress_body::Shared`].
const CHUNK: usize = 64;
