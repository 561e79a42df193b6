//! What of a message's head goes on: everything but what concerns one connection alone.

use axum::body::Body;
use buttress::body::ReplayBody;
use buttress::heartbeat::ScannedBody;
use buttress::idempotency::RequestBody;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderMap, HeaderName,
    HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Extensions, Method, Request, Response, Version};

use crate::respond::Refusal;
use crate::upstream::Upstream;

/// What requests carry behind the heartbeats and the deduplication.
pub(crate) type Once = RequestBody<ScannedBody<Body>>;
/// Behind the fallback.
pub(crate) type Kept = ReplayBody<Once>;
/// And behind the retries.
pub(crate) type Sent = ReplayBody<Kept>;

/// Fields that speak of one connection, whether `Connection` names them or not (RFC 9110 §7.6.1).
///
/// `Trailer` stays: it announces what does arrive. `Proxy-Status` stays: it is for the client.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-authenticate"),
    HeaderName::from_static("proxy-authentication-info"),
    HeaderName::from_static("proxy-authorization"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What only we say, in either direction.
const OURS: &str = "x-buttress-";
/// An answer's mark; in a request it can only be an attempt to forge one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Fields that say nothing beyond us.
const OF_OUR_OWN: [HeaderName; 3] = [
    REPLAYED, EXPECT, // answered by our own server
    HOST,   // the client sets the upstream's
];

/// Whether no request has this field any more when it goes on.
pub(crate) fn stays_behind(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || OF_OUR_OWN.contains(name) || is_ours(name)
}

/// The request that the upstreams get.
pub(crate) fn request(
    request: Request<Body>,
    upstream: &Upstream,
) -> Result<Request<Body>, Refusal> {
    let (mut head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        return Err(Refusal::not_implemented("tunnels are not served here"));
    }
    // Without `Host`, or with two, nobody can tell who is meant, and proxies disagree.
    if head.version == Version::HTTP_11 && head.headers.get_all(HOST).iter().count() != 1 {
        return Err(Refusal::bad_request("a request has exactly one Host field"));
    }
    if !plainly_framed(&head.headers) {
        return Err(Refusal::not_implemented(
            "no transfer coding but chunked is understood",
        ));
    }
    // Where it goes in the end, the upstream that is asked says: see `Upstream::aim`.
    if upstream.locate(&head.method, &head.uri).is_none() {
        return Err(Refusal::bad_request("the request target names no resource"));
    }

    let trailers_wanted = accepts_trailers(&head.headers);
    strip_hop_by_hop(&mut head.headers);
    strip_ours(&mut head.headers);
    for name in &OF_OUR_OWN {
        head.headers.remove(name);
    }
    if trailers_wanted {
        head.headers
            .insert(TE, HeaderValue::from_static("trailers"));
    }
    ask_for_plain_text(&mut head.headers);
    join_cookies(&mut head.headers);
    // Which version the upstream speaks is the connection's matter.
    head.version = Version::HTTP_11;
    head.extensions = Extensions::new();
    Ok(Request::from_parts(head, body))
}

/// The answer that the client gets.
pub(crate) fn response<B>(response: Response<B>) -> Result<Response<B>, Refusal> {
    let (mut head, body) = response.into_parts();
    // We asked for no upgrade, so nobody may switch protocols under us.
    if head.status.is_informational() || !plainly_framed(&head.headers) {
        return Err(Refusal::bad_gateway(
            "the upstream's answer cannot be passed on",
        ));
    }
    strip_hop_by_hop(&mut head.headers);
    strip_ours(&mut head.headers);
    head.version = Version::HTTP_11;
    Ok(Response::from_parts(head, body))
}

/// Removes what concerns one connection, and whatever `Connection` names.
fn strip_hop_by_hop(headers: &mut HeaderMap) {
    // Where both are given the coding counts, and the length is not that of the body.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    let named: Vec<HeaderName> = tokens(headers, CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(OURS)
}

fn strip_ours(headers: &mut HeaderMap) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in &ours {
        headers.remove(name);
    }
}

/// Whether the body arrives as it was meant: no coding that we would take off without undoing it.
fn plainly_framed(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(TRANSFER_ENCODING).iter();
    lines.all(|line| line.as_bytes().eq_ignore_ascii_case(b"chunked"))
}

fn accepts_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// A compressed answer cannot be judged: neither what an error says nor where the content of a stream
/// begins. Whoever names no coding gets none from any API that we know, and is left as is.
fn ask_for_plain_text(headers: &mut HeaderMap) {
    if headers.contains_key(ACCEPT_ENCODING) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
}

/// HTTP/2 may split a cookie into several fields, which no HTTP/1.1 server need understand
/// (RFC 9113 §8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if crumbs.len() > 1 {
        if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
            headers.insert(COOKIE, whole);
        }
    }
}

/// The members of a comma-separated field, over all its lines.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, Response, StatusCode, Version};

    use super::{request, response};
    use crate::respond::Refusal;

    type Fields<'a> = &'a [(&'a str, &'a str)];

    /// What the upstream gets of these fields, as lines.
    fn sent(fields: Fields<'_>) -> Result<Vec<String>, Refusal> {
        let mut built = Request::builder().uri("/a").header("host", "gateway");
        for (name, value) in fields {
            built = built.header(*name, *value);
        }
        let sent = request(
            built.body(Body::empty()).unwrap(),
            &"http://up".parse().unwrap(),
        )?;
        assert_eq!(sent.uri(), "/a");
        Ok(lines(sent.headers()))
    }

    fn lines(headers: &http::HeaderMap) -> Vec<String> {
        let line =
            |(name, value): (_, &http::HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        headers.iter().map(line).collect()
    }

    #[test]
    fn fields_of_one_connection_stay_behind() {
        let fields = [
            ("connection", "close, X-Hop"),
            ("connection", "keep-alive ,, "),
            ("x-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-authorization", "Basic c2VjcmV0"),
            ("proxy-connection", "close"),
            ("upgrade", "h2c"),
            ("http2-settings", "AAMAAABkAAQAAP__"),
            ("expect", "100-continue"),
            ("te", "gzip"),
            ("accept", "*/*"),
        ];
        assert_eq!(sent(&fields).unwrap(), ["accept: */*"]);
    }

    #[test]
    fn a_client_that_takes_trailers_is_believed() {
        let fields = [
            ("te", "gzip, Trailers"),
            ("connection", "te"),
            ("trailer", "x-sum"),
        ];
        assert_eq!(sent(&fields).unwrap(), ["trailer: x-sum", "te: trailers"]);
    }

    #[test]
    fn repeated_fields_keep_their_order() {
        let fields = [("a", "2"), ("a", "1"), ("a", "2")];
        assert_eq!(sent(&fields).unwrap(), ["a: 2", "a: 1", "a: 2"]);
    }

    #[test]
    fn nobody_speaks_in_our_name() {
        let fields = [
            ("x-buttress-attempts", "9"),
            ("idempotent-replayed", "true"),
        ];
        assert_eq!(sent(&fields).unwrap(), [""; 0]);
    }

    #[test]
    fn who_accepts_codings_gets_plain_text_all_the_same() {
        let fields = [("accept-encoding", "gzip, br"), ("accept-encoding", "zstd")];
        assert_eq!(sent(&fields).unwrap(), ["accept-encoding: identity"]);
        assert_eq!(sent(&[]).unwrap(), [""; 0]);
    }

    #[test]
    fn a_cookie_in_crumbs_is_made_whole() {
        let fields = [("cookie", "a=1"), ("cookie", "b=2; c=3")];
        assert_eq!(sent(&fields).unwrap(), ["cookie: a=1; b=2; c=3"]);
    }

    #[test]
    fn a_coding_counts_for_more_than_a_length() {
        let fields = [("transfer-encoding", "chunked"), ("content-length", "5")];
        assert_eq!(sent(&fields).unwrap(), [""; 0]);
    }

    #[test]
    fn codings_that_nobody_would_undo_are_refused() {
        for coding in ["gzip, chunked", "gzip", "chunked, chunked", "identity"] {
            assert!(sent(&[("transfer-encoding", coding)]).is_err(), "{coding}");
        }
        assert!(sent(&[("transfer-encoding", "Chunked")]).is_ok());
    }

    #[test]
    fn http_1_1_has_exactly_one_host() {
        let upstream = "http://up".parse().unwrap();
        let asked = |version, hosts: usize| {
            let mut built = Request::builder().version(version).uri("/");
            for _ in 0..hosts {
                built = built.header("host", "gateway");
            }
            request(built.body(Body::empty()).unwrap(), &upstream).is_ok()
        };
        assert_eq!(
            [0, 1, 2].map(|n| asked(Version::HTTP_11, n)),
            [false, true, false]
        );
        assert_eq!([0, 1].map(|n| asked(Version::HTTP_2, n)), [true, true]);
    }

    #[test]
    fn an_answer_loses_what_is_not_for_the_client() {
        let answer = Response::builder()
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("transfer-encoding", "chunked")
            .header("x-buttress-attempts", "9")
            .header("set-cookie", "a")
            .header("set-cookie", "b")
            .header("trailer", "x-sum")
            .header("idempotent-replayed", "true")
            .body(Body::empty());
        let kept = response(answer.unwrap()).unwrap();
        let expected = [
            "trailer: x-sum",
            "idempotent-replayed: true",
            "set-cookie: a",
            "set-cookie: b",
        ];
        assert_eq!(lines(kept.headers()), expected);
    }

    #[test]
    fn nobody_switches_protocols_under_us() {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        assert!(response(answer).is_err());
    }
}
