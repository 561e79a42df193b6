//! gRPC's statuses: in headers, in trailers, and behind the HTTP statuses of what stands between.

use buttress_core::Outcome;
use http::{HeaderMap, StatusCode};

use crate::classify::hinted;
use crate::status::{
    CREDENTIALS, INVALID, NOT_FOUND, OVERLOADED, RATE_LIMITED, TRANSIENT, UPSTREAM_TIMEOUT, common,
};

/// A gRPC status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the protocol's own")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// Every code, in the order of their numbers.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code in `grpc-status`, of headers or trailers; [`Unknown`](Self::Unknown) for a value
    /// that is none, as the protocol has it.
    #[must_use]
    pub fn read(fields: &HeaderMap) -> Option<Self> {
        Some(match fields.get("grpc-status")?.as_bytes() {
            [digit @ b'0'..=b'9'] => Self::ALL[usize::from(digit - b'0')],
            [b'1', digit @ b'0'..=b'6'] => Self::ALL[usize::from(digit - b'0') + 10],
            _ => Self::Unknown,
        })
    }

    /// The code of that name, in capitals: how `google.rpc.Status` is written in JSON.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == name)
    }

    /// What an HTTP status means to a gRPC caller if the answer carries no `grpc-status`.
    ///
    /// # Source
    /// "HTTP to gRPC Status Code Mapping" of the gRPC project; grpc-go's `HTTPStatusConvTab`.
    #[must_use]
    pub const fn of_http(status: StatusCode) -> Self {
        match status.as_u16() {
            400 => Self::Internal,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 => Self::Unimplemented,
            429 | 502..=504 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }

    /// What the code says about the upstream.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Self::Ok => Outcome::SUCCESS,
            // `Unknown` is an exception in the server's own code, what HTTP calls 500.
            Self::Cancelled | Self::Unknown | Self::Internal | Self::DataLoss => TRANSIENT,
            Self::DeadlineExceeded => UPSTREAM_TIMEOUT,
            Self::ResourceExhausted => RATE_LIMITED,
            Self::Unavailable => OVERLOADED,
            Self::PermissionDenied | Self::Unauthenticated => CREDENTIALS,
            Self::NotFound | Self::Unimplemented => NOT_FOUND,
            Self::InvalidArgument
            | Self::AlreadyExists
            | Self::FailedPrecondition
            | Self::Aborted
            | Self::OutOfRange => INVALID,
        }
    }

    /// Its name, in capitals.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// What `grpc-status` and `grpc-retry-pushback-ms` say, in headers or trailers; `None` without the
/// former.
///
/// ```
/// use buttress_classify::grpc;
/// use buttress_core::Kind;
///
/// let mut trailers = http::HeaderMap::new();
/// trailers.insert("grpc-status", "14".parse()?);
/// trailers.insert("grpc-retry-pushback-ms", "-1".parse()?);
///
/// let outcome = grpc::outcome(&trailers).expect("the status is there");
/// assert_eq!(outcome.kind, Kind::Overloaded);
/// assert!(!outcome.is_retryable());
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
#[must_use]
pub fn outcome(fields: &HeaderMap) -> Option<Outcome> {
    Some(hinted(Code::read(fields)?.outcome(), fields))
}

/// What the HTTP status of an answer without `grpc-status` means.
///
/// Such an answer comes from something between us and the server. Under a 4xx it speaks of the
/// request, as it would to any HTTP client; everything else it says is read as gRPC has it.
pub(crate) const fn of_http(status: StatusCode) -> Outcome {
    match status.as_u16() {
        // The status is in the trailers.
        200 => Outcome::SUCCESS,
        429 => Code::of_http(status).outcome(),
        number @ 400..=499 => common(number),
        _ => Code::of_http(status).outcome(),
    }
}

#[cfg(test)]
mod tests {
    use buttress_core::Kind;
    use http::{HeaderMap, HeaderValue};

    use super::{Code, StatusCode, of_http};

    fn read(value: &[u8]) -> Option<Code> {
        let mut fields = HeaderMap::new();
        fields.insert("grpc-status", HeaderValue::from_bytes(value).unwrap());
        Code::read(&fields)
    }

    #[test]
    fn a_code_is_read_by_its_number_and_found_by_its_name() {
        for (number, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, number);
            assert_eq!(read(number.to_string().as_bytes()), Some(code));
            assert_eq!(Code::by_name(code.as_str()), Some(code));
        }
    }

    #[test]
    fn what_is_no_code_is_unknown() {
        for value in ["", "17", "99", "-1", "+5", "05", "five", "1 ", "\u{666}"] {
            assert_eq!(read(value.as_bytes()), Some(Code::Unknown), "{value}");
        }
        assert_eq!(Code::read(&HeaderMap::new()), None);
    }

    #[test]
    fn f28_a_4xx_of_something_in_between_is_no_failure_of_the_upstream() {
        for status in (400..500).filter(|status| ![408, 429].contains(status)) {
            let outcome = of_http(StatusCode::from_u16(status).unwrap());
            assert_eq!(outcome.kind, Kind::Invalid, "{status}");
        }
        assert_eq!(of_http(StatusCode::FOUND).kind, Kind::Transient);
        assert_eq!(
            of_http(StatusCode::TOO_MANY_REQUESTS).kind,
            Kind::Overloaded
        );
    }
}
