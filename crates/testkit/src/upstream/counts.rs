use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, Uri, Version, request::Parts};

/// What an upstream has seen and done so far; of all requests, or of those to one path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// TCP connections accepted (always 0 for one path).
    pub connections: u64,
    /// Requests whose head arrived.
    pub calls: u64,
    /// Requests whose body arrived to its end.
    pub requests_received: u64,
    /// Bytes of request bodies that were read.
    pub request_bytes: u64,
    /// Answers whose head was sent.
    pub answers_begun: u64,
    /// Answers that were sent to their end, error answers included.
    pub answers_completed: u64,
    /// Answers that broke off because the script said so.
    pub cut: u64,
    /// Answers that broke off because the caller went away, or was waiting for ever when it did.
    pub abandoned: u64,
    /// Calls that a provider would bill: the request was received whole, and a success was produced, even
    /// if its answer was lost on the way.
    pub billed: u64,
    /// Tokens of completions that were sent.
    pub tokens: u64,
}

/// One request, and what became of it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its number, from 0.
    pub number: u64,
    /// Its method.
    pub method: Method,
    /// Its target: path and query as they came.
    pub uri: Uri,
    /// The HTTP version it came in.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its trailer fields.
    pub trailers: Option<HeaderMap>,
    /// The beginning of its body; see [`Upstream::record_bodies`](super::Upstream::record_bodies).
    pub body: Bytes,
    /// How much of its body was read.
    pub body_len: u64,
    /// The [`fingerprint`] of what was read of its body.
    pub body_fingerprint: u64,
    /// Whether its body arrived to its end.
    pub body_complete: bool,
    /// The status of the answer, if it was begun.
    pub status: Option<StatusCode>,
    /// How far the answer got.
    pub stage: Stage,
    /// Whether a provider would bill it; see [`Counts::billed`].
    pub billed: bool,
    /// Tokens that were sent.
    pub tokens: u64,
}

/// How far an answer got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The head has not been sent.
    Waiting,
    /// The head has been sent.
    Begun,
    /// All has been sent.
    Completed,
    /// It broke off because the script said so.
    Cut,
    /// It broke off because the caller went away.
    Abandoned,
}

/// A hash of a body's bytes (FNV-1a, 64 bits), however they were cut into chunks.
#[must_use]
pub fn fingerprint(bytes: &[u8]) -> u64 {
    fingerprint_more(FINGERPRINT_OF_NOTHING, bytes)
}

const FINGERPRINT_OF_NOTHING: u64 = 0xcbf2_9ce4_8422_2325;

fn fingerprint_more(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

impl Call {
    pub(super) fn new(number: u64, head: &Parts) -> Self {
        Self {
            number,
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.clone(),
            trailers: None,
            body: Bytes::new(),
            body_len: 0,
            body_fingerprint: FINGERPRINT_OF_NOTHING,
            body_complete: false,
            status: None,
            stage: Stage::Waiting,
            billed: false,
            tokens: 0,
        }
    }

    /// Notes a chunk of the body, keeping at most `cap` bytes in all.
    pub(super) fn read(&mut self, chunk: &Bytes, cap: usize) {
        self.body_len += chunk.len() as u64;
        self.body_fingerprint = fingerprint_more(self.body_fingerprint, chunk);
        let keep = chunk.len().min(cap.saturating_sub(self.body.len()));
        if self.body.is_empty() {
            self.body = chunk.slice(..keep);
        } else if keep > 0 {
            let mut longer = BytesMut::from(std::mem::take(&mut self.body));
            longer.extend_from_slice(&chunk[..keep]);
            self.body = longer.freeze();
        }
    }
}
