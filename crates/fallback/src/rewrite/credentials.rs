//! What must not cross to another provider.

use http::header::HeaderValue;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderName, Uri};

/// Headers that carry a credential, or name the account that it belongs to, each in lower case.
const HEADERS: [&str; 24] = [
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "cookie2",
    "ocp-apim-subscription-key",
    "openai-organization",
    "openai-project",
    "private-token",
    "proxy-authorization",
    "signature",
    "signature-input",
    "x-access-token",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-api-key",
    "x-api-token",
    "x-auth-token",
    "x-csrf-token",
    "x-functions-key",
    "x-goog-api-key",
    "x-goog-user-project",
    "x-xsrf-token",
];

/// Names in a query that carry a credential, each in lower case.
const QUERY: [&str; 16] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "awsaccesskeyid",
    "client_secret",
    "key",
    "password",
    "secret",
    "sig",
    "signature",
    "subscription-key",
    "token",
    "x-api-key",
    "x-goog-signature",
];

/// All of a presigned URL's.
const QUERY_PREFIXES: [&str; 2] = ["x-amz-", "x-goog-"];

/// Takes every credential off a request.
pub(crate) fn take_off(head: &mut Parts) {
    let found =
        |(name, value): (&HeaderName, &HeaderValue)| is_header(name, value).then(|| name.clone());
    let names: Vec<HeaderName> = head.headers.iter().filter_map(found).collect();
    for name in names {
        head.headers.remove(name);
    }
    let in_query = head
        .uri
        .query()
        .is_some_and(|query| query.split('&').any(is_query));
    let in_authority = head
        .uri
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'));
    if in_query || in_authority {
        head.uri = without(&head.uri);
    }
}

/// Whether a header carries a credential.
pub(crate) fn is_header(name: &HeaderName, value: &HeaderValue) -> bool {
    value.is_sensitive() || HEADERS.binary_search(&name.as_str()).is_ok()
}

/// Whether a pair of a query, `name=value`, carries a credential.
pub(crate) fn is_query(pair: &str) -> bool {
    let name = pair.split_once('=').map_or(pair, |(name, _)| name);
    let name = decoded(name);
    QUERY.binary_search(&name.as_str()).is_ok()
        || QUERY_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The address without the credentials in its query, and without a user.
fn without(uri: &Uri) -> Uri {
    let path = uri.path();
    let pairs = uri.query().unwrap_or_default().split('&');
    let kept: Vec<&str> = pairs.filter(|pair| !is_query(pair)).collect();
    let kept = kept.join("&");
    let path = if kept.is_empty() {
        PathAndQuery::try_from(path)
    } else {
        PathAndQuery::try_from(format!("{path}?{kept}"))
    };
    let host = |authority: &Authority| {
        let (_, host) = authority.as_str().rsplit_once('@')?;
        Authority::try_from(host).ok()
    };
    let mut parts = uri.clone().into_parts();
    parts.authority = parts
        .authority
        .map(|authority| host(&authority).unwrap_or(authority));
    parts.path_and_query = path.ok().or(Some(PathAndQuery::from_static("/")));
    Uri::from_parts(parts).unwrap_or_default()
}

/// In lower case, and as whoever reads the query will read it.
fn decoded(name: &str) -> String {
    let mut bytes = name.bytes();
    let mut read = String::new();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut ahead = bytes.clone();
                match (ahead.next().and_then(hex), ahead.next().and_then(hex)) {
                    (Some(high), Some(low)) => {
                        bytes = ahead;
                        high << 4 | low
                    }
                    _ => b'%',
                }
            }
            byte => byte,
        };
        read.push(char::from(byte.to_ascii_lowercase()));
    }
    read
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};
    use proptest::prelude::{prop_assert, proptest};

    use super::{HEADERS, QUERY, is_query, take_off};

    #[test]
    fn the_lists_are_sorted_and_in_lower_case() {
        assert!(HEADERS.is_sorted() && QUERY.is_sorted());
        for name in HEADERS.iter().chain(&QUERY) {
            assert_eq!(*name, name.to_ascii_lowercase());
        }
    }

    fn left(uri: &str) -> String {
        let (mut head, ()) = Request::get(uri).body(()).unwrap().into_parts();
        take_off(&mut head);
        head.uri.to_string()
    }

    #[test]
    fn no_header_of_the_list_and_nothing_sensitive_stays() {
        let mut request = Request::post("/");
        for name in HEADERS {
            request = request.header(name, "secret").header(name, "another");
        }
        let mut own = HeaderValue::from_static("secret");
        own.set_sensitive(true);
        let request = request
            .header("x-own", own)
            .header("accept", "text/event-stream");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        take_off(&mut head);
        assert_eq!(head.headers.len(), 1);
        assert_eq!(head.headers["accept"], "text/event-stream");
    }

    #[test]
    fn credentials_in_the_address_go_and_the_rest_stays_as_it_was() {
        assert_eq!(left("/v1?key=secret"), "/v1");
        assert_eq!(left("/v1?alt=sse&key=secret&x=%20"), "/v1?alt=sse&x=%20");
        assert_eq!(left("/v1?K%65y=secret"), "/v1");
        assert_eq!(
            left("/v1?X-Amz-Signature=s&X-Amz-Credential=c&a=b"),
            "/v1?a=b"
        );
        assert_eq!(
            left("https://user:pw@a.example/v1?a=b"),
            "https://a.example/v1?a=b"
        );
        assert_eq!(left("https://user@a.example"), "https://a.example/");
        assert_eq!(left("/v1?keys=all&monkey=1"), "/v1?keys=all&monkey=1");
        assert_eq!(left("/v1?"), "/v1?");
    }

    proptest! {
        #[test]
        fn no_query_panics_and_no_credential_is_left(query in "[ -~&&[^# <>\"`{}|^\\\\]]{0,40}") {
            let (mut head, ()) = match Request::get(format!("/v1?key=secret&{query}")).body(()) {
                Ok(request) => request.into_parts(),
                Err(_) => return Ok(()),
            };
            take_off(&mut head);
            prop_assert!(!head.uri.query().unwrap_or_default().split('&').any(is_query));
            prop_assert!(!head.uri.to_string().contains("key=secret"));
        }
    }
}
