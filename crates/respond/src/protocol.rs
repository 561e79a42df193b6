//! In which protocol a client wants to be answered.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// What a request's content type tells of its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http,
    /// Trailers, which a browser does not see.
    Grpc,
    /// The same within the body.
    GrpcWeb,
    /// The same in base64.
    GrpcWebText,
}

impl Protocol {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let Some(value) = headers.get(CONTENT_TYPE) else {
            return Self::Http;
        };
        let value = value.as_bytes();
        let is = |name: &[u8]| match value.split_at_checked(name.len()) {
            Some((start, rest)) => {
                start.eq_ignore_ascii_case(name)
                    && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
            }
            None => false,
        };
        if is(b"application/grpc") {
            Self::Grpc
        } else if is(b"application/grpc-web") {
            Self::GrpcWeb
        } else if is(b"application/grpc-web-text") {
            Self::GrpcWebText
        } else {
            Self::Http
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CONTENT_TYPE, HeaderMap, Protocol};

    #[test]
    fn a_protocol_is_told_by_the_whole_name_of_its_type() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            Protocol::of(&headers)
        };
        assert_eq!(of("application/grpc"), Protocol::Grpc);
        assert_eq!(of("Application/gRPC+proto"), Protocol::Grpc);
        assert_eq!(of("application/grpc;charset=utf-8"), Protocol::Grpc);
        assert_eq!(of("application/grpc-web+proto"), Protocol::GrpcWeb);
        assert_eq!(of("application/grpc-web-text"), Protocol::GrpcWebText);
        assert_eq!(of("application/grpcx"), Protocol::Http);
        assert_eq!(of("application/json"), Protocol::Http);
        assert_eq!(Protocol::of(&HeaderMap::new()), Protocol::Http);
    }
}
