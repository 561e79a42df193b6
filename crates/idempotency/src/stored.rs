//! A finished answer, as it is kept.

use std::fmt;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, SET_COOKIE, TE,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

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
    /// Drops what belongs to the connection that it came on (RFC 9110 §7.6.1), and `Set-Cookie`. Headers and trailers are
    /// copied, since they are parts of the buffer that a connection was read into; the body is taken as it is.
    #[must_use]
    pub fn new(
        status: StatusCode,
        mut headers: HeaderMap,
        body: Bytes,
        mut trailers: Option<HeaderMap>,
        fingerprint: Fingerprint,
    ) -> Self {
        for fields in trailers.iter_mut().chain([&mut headers]) {
            strip(fields);
            detach(fields);
        }
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
    for name in OF_THE_CONNECTION.iter().chain(&COOKIES) {
        if name == CONNECTION {
            strip_named(headers);
        }
        headers.remove(name);
    }
}

/// Copies all values into one buffer of their own.
fn detach(fields: &mut HeaderMap) {
    let size = fields.values().map(HeaderValue::len).sum();
    let mut copy = BytesMut::with_capacity(size);
    for value in fields.values_mut() {
        copy.extend_from_slice(value.as_bytes());
        let own = HeaderValue::from_maybe_shared(copy.split().freeze());
        if let Ok(mut own) = own {
            own.set_sensitive(value.is_sensitive());
            *value = own;
        }
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

static OF_THE_CONNECTION: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// One client's, whoever else gets the answer.
pub(crate) static COOKIES: [HeaderName; 2] = [SET_COOKIE, HeaderName::from_static("set-cookie2")];

/// What a field of a header map takes beside its text.
const FIELD: usize = 64;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Bytes, Fingerprint, HeaderMap, HeaderValue, StatusCode, Stored};

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

    struct Buffer(Arc<[u8]>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[test]
    fn the_buffer_of_the_connection_is_not_kept() {
        let memory: Arc<[u8]> = Arc::from(&b"onetwosecret"[..]);
        let buffer = Bytes::from_owner(Buffer(Arc::clone(&memory)));
        let value = |from, to| HeaderValue::from_maybe_shared(buffer.slice(from..to)).unwrap();
        let mut headers = HeaderMap::new();
        headers.append("x-a", value(0, 3));
        headers.append("x-a", value(3, 6));
        let mut secret = value(6, 12);
        secret.set_sensitive(true);
        headers.append("x-b", secret);
        drop(buffer);

        let (status, print) = (StatusCode::OK, Fingerprint::UNCHECKED);
        let (body, trailers) = (Bytes::new(), Some(headers.clone()));
        let stored = Stored::new(status, headers.clone(), body, trailers, print);
        assert_eq!(*stored.headers(), headers);
        assert_eq!(stored.trailers(), Some(&headers));
        assert!(stored.headers()["x-b"].is_sensitive());
        drop(headers);
        assert_eq!(Arc::strong_count(&memory), 1);
    }

    #[test]
    fn trailers_are_kept_without_what_headers_are_kept_without() {
        let mut trailers = HeaderMap::new();
        for (name, value) in [
            ("grpc-status", "0"),
            ("set-cookie", "a=b"),
            ("te", "trailers"),
        ] {
            trailers.append(name, value.parse().unwrap());
        }
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        let (status, print) = (StatusCode::OK, Fingerprint::UNCHECKED);
        let stored = Stored::new(status, headers, body, Some(trailers), print);
        let kept = stored.trailers().unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(kept["grpc-status"], "0");
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
