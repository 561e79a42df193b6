//! What is kept of an answer, and for how long.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

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
}

impl Record {
    pub(crate) fn push(&mut self, data: &Bytes, max_bytes: usize) {
        self.bytes = self.bytes.saturating_add(data.len());
        if self.bytes > max_bytes {
            self.chunks = Vec::new();
        } else if !data.is_empty() {
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
        if record.bytes > self.max_body {
            return Err(Some("its answer is too long"));
        }
        let fingerprint = notes.fingerprint();
        let fingerprint = fingerprint.ok_or("it was answered before its request was read")?;
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

/// Answers that speak of this moment and not of the request, whatever a classifier makes of them.
fn is_never_kept(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 409 | 425 | 429)
}
