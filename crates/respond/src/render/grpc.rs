//! Statuses as gRPC has them: in headers, in trailers, or in a frame of the body.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::answer;
use crate::problem::Problem;

/// The fields that carry a status.
pub(crate) fn trailers(problem: &Problem) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(3);
    write(problem, &mut fields);
    fields
}

/// An answer that is nothing but a status.
///
/// # Source
/// "gRPC over HTTP2", Trailers-Only: HTTP 200, the status in the only block of headers, no body.
pub(super) fn trailers_only(problem: &Problem) -> Response<Bytes> {
    let mut response = grpc("application/grpc", Bytes::new());
    write(problem, response.headers_mut());
    response
}

/// The same as the last frame of a body, for clients that see no trailers.
///
/// # Source
/// "gRPC-Web" of the gRPC project: a frame whose first byte has its highest bit set holds trailers, as a
/// block of HTTP/1.1 headers in lower case.
pub(super) fn web(problem: &Problem) -> Response<Bytes> {
    grpc("application/grpc-web+proto", frame(problem).into())
}

/// The same in base64.
pub(super) fn web_text(problem: &Problem) -> Response<Bytes> {
    let text = base64(&frame(problem));
    grpc("application/grpc-web-text+proto", text.into())
}

fn grpc(content_type: &'static str, body: Bytes) -> Response<Bytes> {
    answer(StatusCode::OK, HeaderValue::from_static(content_type), body)
}

fn frame(problem: &Problem) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in &trailers(problem) {
        block.extend_from_slice(name.as_str().as_bytes());
        block.push(b':');
        block.extend_from_slice(value.as_bytes());
        block.extend_from_slice(b"\r\n");
    }
    // Three short fields, unless a message of the user's own is gigabytes long.
    let length = u32::try_from(block.len()).unwrap_or(u32::MAX);
    let mut frame = vec![0x80];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.append(&mut block);
    frame
}

fn write(problem: &Problem, fields: &mut HeaderMap) {
    fields.insert(STATUS, HeaderValue::from(problem.code as u16));
    if let Ok(message) = HeaderValue::try_from(percent_encoded(&problem.detail)) {
        fields.insert(MESSAGE, message);
    }
    let pushback = match (problem.should_retry, problem.wait_millis()) {
        (Some(false), _) => Some(NEVER),
        (_, Some(millis)) => Some(HeaderValue::from(millis)),
        (_, None) => None,
    };
    if let Some(pushback) = pushback {
        fields.insert(PUSHBACK, pushback);
    }
}

/// Visible ASCII and spaces stay, everything else and `%` becomes `%XX`.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or(0)));
        let group = group[0] << 16 | group[1] << 8 | group[2];
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 0x3F;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
pub(super) const PUSHBACK: HeaderName = HeaderName::from_static("grpc-retry-pushback-ms");
/// Whoever is told a negative wait does not try again: gRFC A6.
pub(super) const NEVER: HeaderValue = HeaderValue::from_static("-1");

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use buttress_core::Outcome;

    use super::{Problem, base64, percent_encoded, trailers, web};

    #[test]
    fn base64_is_that_of_rfc_4648() {
        let pairs = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}\u{7f}", "w79/"),
        ];
        for (plain, text) in pairs {
            assert_eq!(base64(plain.as_bytes()), text);
        }
    }

    #[test]
    fn a_message_is_percent_encoded_and_can_break_no_header() {
        assert_eq!(
            percent_encoded("50 % of\r\n\u{e9}"),
            "50 %25 of%0D%0A%C3%A9"
        );
    }

    #[test]
    fn a_wait_is_pushed_back_and_what_is_hopeless_is_forbidden() {
        let open = Outcome::CIRCUIT_OPEN.after(Duration::from_micros(1_500));
        assert_eq!(trailers(&Problem::new(open))["grpc-retry-pushback-ms"], "2");
        let over = trailers(&Problem::new(Outcome::DEADLINE_EXCEEDED));
        assert_eq!(over["grpc-retry-pushback-ms"], "-1");
        assert_eq!(over["grpc-status"], "4");
    }

    #[test]
    fn in_a_browser_the_trailers_are_a_frame_of_the_body() {
        let body = web(&Problem::new(Outcome::TRUNCATED)).into_body();
        let (head, block) = body.split_at(5);
        let length = u32::try_from(block.len()).unwrap().to_be_bytes();
        assert_eq!(head, [&[0x80], &length[..]].concat());
        assert!(block.starts_with(b"grpc-status:14\r\ngrpc-message:"));
        assert!(block.ends_with(b"\r\n"));
    }
}
