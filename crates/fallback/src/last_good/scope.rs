//! Whose answer it is.

use std::fmt;
use std::hash::{BuildHasher, Hash, RandomState};

use http::request::Parts;

use crate::rewrite::credentials;

/// A hash of whatever tells one caller from another, under a key that no other process has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Scope([u64; 2]);

impl Scope {
    /// One scope for everybody.
    pub(super) const ALL: Self = Self([0; 2]);

    /// Of the credentials of a request; `None` if none is seen: then nobody knows whose it is.
    pub(super) fn of(head: &Parts, secret: &[RandomState; 2]) -> Option<Self> {
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
        if credentials.is_empty() {
            return None;
        }
        // The same credential may be somebody else's in whose name it is used.
        let headers = head.headers.iter();
        let headers = headers.filter(|(name, _)| credentials::is_identity(name));
        credentials
            .extend(headers.map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes())));
        // In whatever order they were sent.
        credentials.sort_unstable();
        Some(Self::hash(&credentials, secret))
    }

    /// Of what an application says.
    pub(super) fn named(scope: &str, secret: &[RandomState; 2]) -> Self {
        Self::hash(&scope, secret)
    }

    fn hash(what: &impl Hash, secret: &[RandomState; 2]) -> Self {
        Self([secret[0].hash_one(what), secret[1].hash_one(what)])
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scope")
    }
}
