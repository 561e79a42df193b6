//! The vectors about what an answer says.
//!
//! Every vector of a file agrees with the classifier, or is listed here by its id with the reason why
//! not. A listed one that agrees is an error too, so that the lists cannot rot.

#![expect(
    clippy::unwrap_used,
    reason = "a vector of another shape is a broken file, and the test says where"
)]

mod grpc;
mod provider_errors;
mod rate_limits;
mod retry_after;
mod statuses;

use std::time::{Duration, SystemTime};

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

fn id(vector: &Value) -> &str {
    vector["id"].as_str().unwrap()
}

/// Headers from an object whose values are strings or arrays of strings.
fn headers(object: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in object.as_object().into_iter().flatten() {
        let name: HeaderName = name.parse().unwrap();
        for line in lines(value) {
            headers.append(&name, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
    }
    headers
}

fn lines(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(lines) => lines.iter().map(|line| line.as_str().unwrap()).collect(),
        line => vec![line.as_str().unwrap()],
    }
}

fn unix(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Vectors speak of whole milliseconds; ours are exact, and theirs are rounded up.
fn milliseconds(wait: Duration) -> u128 {
    wait.as_nanos().div_ceil(1_000_000)
}
