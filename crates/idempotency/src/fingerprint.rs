//! What tells one payload from another.

use std::fmt;

use buttress_core::BoxError;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::error::{CallInFlight, KeyReused};

/// What a request was, so that another one under the same key is noticed.
///
/// # Canonical form
/// SHA-256 over four fields, each behind its length in bytes as a 64-bit big-endian number: the scope, the
/// method, path and query as they were sent, the first `Content-Type`; then the body as it was sent, then the length of
/// the body as such a number. Scheme, host and all other headers are left out: they differ between attempts at
/// one call (counters, traces), and its order of headers says nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(Print);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Print {
    Unchecked,
    /// Of everything but the body, of which nothing was read.
    Head([u8; 32]),
    Whole([u8; 32]),
    /// Some of the body was read: nobody knows what the rest would have been. Never kept.
    Part,
}

/// A fingerprint whose body is still passing.
#[derive(Clone)]
pub(crate) struct Hashing {
    head: Sha256,
    body: Sha256,
    len: u64,
    /// As the request says.
    content_length: Option<u64>,
}

/// What a duplicate has to show.
#[derive(Clone)]
pub(crate) struct Shown {
    head: Sha256,
    whole: [u8; 32],
}

// ===== impl Fingerprint =====

impl Fingerprint {
    /// Any request fits: the layer was told to trust keys.
    pub const UNCHECKED: Self = Self(Print::Unchecked);

    /// Its length as [bytes](Self::to_bytes).
    pub const LEN: usize = 33;

    /// As a store keeps it.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (kind, digest) = match &self.0 {
            Print::Unchecked => return bytes,
            Print::Head(digest) => (1, digest),
            Print::Whole(digest) => (2, digest),
            // Nothing that is ever read again: least of all for one that any request fits.
            Print::Part => (3, &[0; 32]),
        };
        bytes[0] = kind;
        bytes[1..].copy_from_slice(digest);
        bytes
    }

    /// What [`to_bytes`](Self::to_bytes) made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (kind, digest) = bytes.split_first()?;
        let digest = digest.try_into().ok()?;
        match kind {
            0 => Some(Self::UNCHECKED),
            1 => Some(Self(Print::Head(digest))),
            2 => Some(Self(Print::Whole(digest))),
            _ => None,
        }
    }

    /// Whether a duplicate asks for the same. Its refusal, if it does not, or if nobody can tell.
    pub(crate) fn check(&self, shown: &Shown) -> Result<(), BoxError> {
        let is_same = match &self.0 {
            Print::Unchecked => true,
            Print::Head(digest) => *digest == unread(shown.head.clone()),
            Print::Whole(digest) => *digest == shown.whole,
            Print::Part => return Err(CallInFlight::refuse()),
        };
        match is_same {
            true => Ok(()),
            false => Err(KeyReused::refuse()),
        }
    }

    /// Whether any request could ever be compared with it.
    pub(crate) const fn is_known(&self) -> bool {
        !matches!(self.0, Print::Part)
    }
}

/// Nothing of it: a short payload can be guessed from its hash.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

// ===== impl Hashing =====

impl Hashing {
    /// Begins with everything but the body.
    pub(crate) fn new(scope: u128, parts: &Parts) -> Self {
        let uri = &parts.uri;
        let path = uri.path_and_query().map_or("", |path| path.as_str());
        let content_type = parts.headers.get(CONTENT_TYPE);
        let mut head = Sha256::new();
        field(&mut head, &scope.to_be_bytes());
        field(&mut head, parts.method.as_str().as_bytes());
        field(&mut head, path.as_bytes());
        field(
            &mut head,
            content_type.map_or(&[], |value| value.as_bytes()),
        );
        let content_length = parts.headers.get(CONTENT_LENGTH);
        let content_length = content_length.and_then(|length| length.to_str().ok()?.parse().ok());
        Self {
            body: head.clone(),
            head,
            len: 0,
            content_length,
        }
    }

    /// A piece of the body.
    pub(crate) fn data(&mut self, data: &[u8]) {
        self.len += data.len() as u64;
        self.body.update(data);
    }

    /// The body has been read to its end.
    pub(crate) fn end(self) -> Fingerprint {
        Fingerprint(Print::Whole(whole(self.body, self.len)))
    }

    /// The body was let go of. Those who go by its length read no further; and a body that nobody has read cannot have
    /// mattered.
    pub(crate) fn let_go(self) -> Fingerprint {
        if self.content_length == Some(self.len) {
            return self.end();
        }
        Fingerprint(match self.len {
            0 => Print::Head(unread(self.head)),
            _ => Print::Part,
        })
    }

    /// The body of a duplicate has been read to its end.
    pub(crate) fn show(self) -> Shown {
        Shown {
            whole: whole(self.body, self.len),
            head: self.head,
        }
    }
}

fn field(hash: &mut Sha256, field: &[u8]) {
    hash.update((field.len() as u64).to_be_bytes());
    hash.update(field);
}

fn whole(mut hash: Sha256, len: u64) -> [u8; 32] {
    hash.update(len.to_be_bytes());
    hash.finalize().into()
}

/// No body has such a length: it is none of a whole one.
fn unread(hash: Sha256) -> [u8; 32] {
    whole(hash, u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, Print};

    #[test]
    fn what_is_written_down_is_read_again_unless_it_is_of_a_part() {
        for print in [
            Print::Unchecked,
            Print::Head([1; 32]),
            Print::Whole([2; 32]),
        ] {
            let print = Fingerprint(print);
            assert!(Fingerprint::from_bytes(&print.to_bytes()) == Some(print));
        }
        let part = Fingerprint(Print::Part).to_bytes();
        assert!(Fingerprint::from_bytes(&part).is_none());
    }
}
