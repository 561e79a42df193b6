//! Telling the next hop how long it has.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::grpc_timeout;
use crate::hint::{EXPECTED, UPSTREAM};

/// Writes what is left into the headers of a request, rounded down.
///
/// A gRPC request is always told, another one if it is to be (`announce`). Whatever a request says already,
/// in however many lines, was said for a hop before and is replaced.
pub(crate) fn tell(headers: &mut HeaderMap, left: Duration, announce: bool) {
    let (mut grpc, mut says_grpc) = (false, false);
    let (mut says_expected, mut says_upstream) = (false, false);
    for (name, value) in &*headers {
        match name.as_str() {
            "content-type" => {
                let start = value.as_bytes().get(..GRPC.len());
                grpc |= start.is_some_and(|start| start.eq_ignore_ascii_case(GRPC));
            }
            "grpc-timeout" => says_grpc = true,
            EXPECTED => says_expected = true,
            UPSTREAM => says_upstream = true,
            _ => {}
        }
    }
    if grpc || says_grpc {
        if let Some(value) = grpc_timeout::format(left) {
            let _no_room = headers.try_insert(GRPC_TIMEOUT, value);
        }
    }
    let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    if says_upstream {
        let _no_room = headers.try_insert(UPSTREAM_NAME, HeaderValue::from(millis));
    }
    if (announce && !grpc) || says_expected {
        let _no_room = headers.try_insert(EXPECTED_NAME, HeaderValue::from(millis));
    }
}

/// The least that any of these headers can say.
pub(crate) const LEAST: Duration = Duration::from_millis(1);

const GRPC: &[u8] = b"application/grpc";
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const EXPECTED_NAME: HeaderName = HeaderName::from_static(EXPECTED);
const UPSTREAM_NAME: HeaderName = HeaderName::from_static(UPSTREAM);

#[cfg(test)]
mod tests {
    use super::{Duration, HeaderMap, tell};

    fn told(given: &[(&'static str, &'static str)], announce: bool) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        for (name, value) in given {
            headers.append(*name, value.parse().unwrap());
        }
        tell(&mut headers, Duration::from_micros(1_999_999), announce);
        let text = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        headers.iter().map(text).collect()
    }

    #[test]
    fn a_grpc_request_is_told_and_another_only_if_it_is_to_be() {
        let grpc = ("content-type", "application/grpc+proto");
        let header = ("grpc-timeout".to_owned(), "1999999u".to_owned());
        assert!(told(&[grpc], false).contains(&header));
        assert_eq!(told(&[grpc], true).len(), 2);
        assert_eq!(told(&[], false), []);
        let capitals = ("content-type", "Application/gRPC");
        assert_eq!(told(&[capitals], false).len(), 2);
        let header = (super::EXPECTED.to_owned(), "1999".to_owned());
        assert_eq!(told(&[], true), [header]);
    }

    #[test]
    fn with_as_many_headers_as_fit_nothing_is_said() {
        let mut headers = HeaderMap::new();
        for n in 0.. {
            let name = http::HeaderName::try_from(format!("h{n}")).unwrap();
            if headers
                .try_append(name, http::HeaderValue::from(n))
                .is_err()
            {
                break;
            }
        }
        let all = headers.len();
        tell(&mut headers, Duration::from_secs(1), true);
        assert_eq!(headers.len(), all);
    }

    #[test]
    fn what_was_said_for_the_hop_before_is_replaced_and_said_once() {
        let stale = [
            ("grpc-timeout", "1H"),
            ("grpc-timeout", "2H"),
            (super::EXPECTED, "9000"),
            (super::EXPECTED, "x"),
            (super::UPSTREAM, "9000"),
        ];
        let fresh = [
            ("grpc-timeout", "1999999u"),
            (super::EXPECTED, "1999"),
            (super::UPSTREAM, "1999"),
        ];
        let fresh = fresh.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(told(&stale, false), fresh);
    }
}
