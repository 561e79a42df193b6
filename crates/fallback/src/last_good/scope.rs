//! Whose answer it is.

use std::fmt;
use std::hash::{BuildHasher, RandomState};

use http::request::Parts;

use crate::rewrite::credentials;

/// A hash of the credentials of a request, under a key that no other process has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scope([u64; 2]);

impl Scope {
    /// One scope for everybody.
    pub(super) const ALL: Self = Self([0; 2]);

    pub(super) fn of(head: &Parts, secret: &[RandomState; 2]) -> Self {
        let mut credentials: Vec<(&[u8], &[u8])> = Vec::new();
        let headers = head.headers.iter();
        let headers = headers.filter(|(name, value)| credentials::is_header(name, value));
        credentials
            .extend(headers.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())));
        let query = head.uri.query().unwrap_or_default();
        let query = credentials::pairs(query).filter(|pair| credentials::is_query(pair));
        credentials.extend(query.map(|pair| (&b"?"[..], pair.as_bytes())));
        let userinfo = head
            .uri
            .authority()
            .and_then(|authority| authority.as_str().rsplit_once('@'));
        credentials.extend(userinfo.map(|(userinfo, _)| (&b"@"[..], userinfo.as_bytes())));
        // In whatever order they were sent.
        credentials.sort_unstable();
        Self([
            secret[0].hash_one(&credentials),
            secret[1].hash_one(&credentials),
        ])
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}
