//! What concerns one connection alone.

use http::header::{
    CONNECTION, EXPECT, GetAll, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

/// Fields that speak of one connection, whether `connection` names them or not (RFC 9110 §7.6.1). `trailer` is none
/// of them: it announces what does arrive.
const FIELDS: [HeaderName; 11] = [
    CONNECTION,
    EXPECT,
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    HeaderName::from_static("proxy-authentication-info"),
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Takes them off a message that goes to, or was kept from, another connection.
pub(crate) fn take_off(headers: &mut HeaderMap) {
    // gRPC asks for it on each connection anew.
    let wants_trailers = words(headers.get_all(TE)).any(|word| word == "trailers");
    let named: Vec<HeaderName> = words(headers.get_all(CONNECTION))
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in FIELDS.iter().chain(&named) {
        headers.remove(name);
    }
    if wants_trailers {
        let _no_room = headers.try_insert(TE, HeaderValue::from_static("trailers"));
    }
}

/// The members of a list, in lower case and without their parameters.
fn words<'a>(values: GetAll<'a, HeaderValue>) -> impl Iterator<Item = String> + use<'a> {
    let values = values.into_iter().filter_map(|value| value.to_str().ok());
    let words = values.flat_map(|value| value.split(','));
    words.map(|word| {
        let word = word.split(';').next().unwrap_or_default();
        word.trim().to_ascii_lowercase()
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName};

    use super::take_off;

    fn left(fields: &[(&str, &str)]) -> Vec<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        take_off(&mut headers);
        let field = |(name, value): (&HeaderName, &http::HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap())
        };
        let mut left: Vec<String> = headers.iter().map(field).collect();
        left.sort_unstable();
        left
    }

    #[test]
    fn what_is_known_and_what_is_named_goes_and_the_rest_stays() {
        let fields = [
            ("connection", "keep-alive, X-Hop,, ,\"odd\""),
            ("connection", "other-hop"),
            ("x-hop", "1"),
            ("other-hop", "1"),
            ("keep-alive", "timeout=5"),
            ("expect", "100-continue"),
            ("proxy-authorization", "Basic eDp5"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-sum"),
            ("content-length", "1"),
        ];
        assert_eq!(left(&fields), ["content-length: 1", "trailer: x-sum"]);
    }

    #[test]
    fn that_trailers_are_wanted_is_said_again() {
        for te in ["trailers", "deflate;q=0.5, Trailers"] {
            let fields = [("connection", "te"), ("te", te)];
            assert_eq!(left(&fields), ["te: trailers"]);
        }
        assert!(left(&[("te", "deflate")]).is_empty());
    }
}
