//! A finished answer, as it is kept.

use std::fmt;

use bytes::Bytes;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, StatusCode};

use crate::fingerprint::Fingerprint;

/// A finished answer: status, headers, all of its body, and what the request was.
///
/// `Debug` shows sizes only: the rest is somebody's conversation.
#[derive(Clone)]
pub struct Stored {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    trailers: Option<HeaderMap>,
    fingerprint: Fingerprint,
}

impl Stored {
    /// An answer to a request of that fingerprint.
    ///
    /// Drops what belongs to the connection that it came on (RFC 9110 §7.6.1), and `Set-Cookie`.
    #[must_use]
    pub fn new(
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        trailers: Option<HeaderMap>,
        fingerprint: Fingerprint,
    ) -> Self {
        strip(&mut headers);
        Self {
            status,
            headers,
            body,
            trailers,
            fingerprint,
        }
    }

    /// Its status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its headers.
    #[must_use]
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// All of its body.
    #[must_use]
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// What came behind the body.
    #[must_use]
    pub const fn trailers(&self) -> Option<&HeaderMap> {
        self.trailers.as_ref()
    }

    /// What request it answers.
    #[must_use]
    pub const fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// What it counts for where memory is counted, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let fields = |map: &HeaderMap| -> usize {
            map.iter()
                .map(|(name, value)| name.as_str().len() + value.len() + FIELD)
                .sum()
        };
        size_of::<Self>()
            + self.body.len()
            + fields(&self.headers)
            + self.trailers.as_ref().map_or(0, fields)
    }
}

impl fmt::Debug for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stored")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

fn strip(headers: &mut HeaderMap) {
    for name in &OF_THE_CONNECTION {
        if name == CONNECTION {
            strip_named(headers);
        }
        headers.remove(name);
    }
}

/// What `Connection` itself names.
fn strip_named(headers: &mut HeaderMap) {
    if !headers.contains_key(CONNECTION) {
        return;
    }
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
}

const OF_THE_CONNECTION: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
    SET_COOKIE,
    HeaderName::from_static("set-cookie2"),
];

/// What a field of a header map takes beside its text.
const FIELD: usize = 64;

#[cfg(test)]
mod tests {
    use super::{Bytes, Fingerprint, HeaderMap, StatusCode, Stored};

    fn stored(fields: &[(&'static str, &'static str)]) -> Stored {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        let body = Bytes::from_static(b"body");
        Stored::new(StatusCode::OK, headers, body, None, Fingerprint::UNCHECKED)
    }

    #[test]
    fn what_belongs_to_the_connection_is_not_kept() {
        let stored = stored(&[
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ]);
        let names: Vec<_> = stored
            .headers()
            .keys()
            .map(http::HeaderName::as_str)
            .collect();
        assert_eq!(names, ["date"]);
    }

    #[test]
    fn debug_tells_nothing_of_what_was_said() {
        let shown = format!("{:?}", stored(&[("x-secret", "secret")]));
        assert!(
            !shown.contains("secret") && !shown.contains("body\""),
            "{shown}"
        );
    }
}
