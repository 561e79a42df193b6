//! How a problem is put into an answer.

mod grpc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::problem::Problem;
use crate::protocol::Protocol;

pub(crate) use grpc::trailers;
use grpc::{NEVER, PUSHBACK};

/// The whole answer; it carries the outcome in its extensions, for those who count outside.
pub(crate) fn render(problem: &Problem, protocol: Protocol) -> Response<Bytes> {
    let mut response = match protocol {
        Protocol::Http => http(problem),
        Protocol::Grpc => grpc::trailers_only(problem),
        Protocol::GrpcWeb => grpc::web(problem),
        Protocol::GrpcWebText => grpc::web_text(problem),
    };
    response.extensions_mut().insert(problem.outcome());
    response
}

/// Problem details, RFC 9457.
fn http(problem: &Problem) -> Response<Bytes> {
    let mut members = json!({
        "type": problem.about,
        "title": problem.title(),
        "status": problem.status.as_u16(),
        "detail": problem.detail,
    });
    if let Some(reason) = problem.outcome().reason {
        members["reason"] = reason.as_str().into();
    }
    if let Some(limit) = problem.limit {
        let name = if problem.is_of_budget() {
            "budget_ms"
        } else {
            "limit_ms"
        };
        members[name] = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX).into();
    }
    let mut response = answer(
        problem.status,
        HeaderValue::from_static("application/problem+json"),
        members.to_string().into(),
    );
    let headers = response.headers_mut();
    if let Some(seconds) = problem.wait_seconds() {
        headers.insert(RETRY_AFTER, seconds.into());
    }
    if let Some(word) = problem.should_retry {
        headers.insert(SHOULD_RETRY, spelled(word));
    }
    response
}

fn answer(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Keeps a client from sending a request again by itself whose retries have been used up. An SDK over HTTP may have
/// the upstream's own word on that; to gRPC it would have said a wait, and the retries have been through with it.
#[cold]
pub(crate) fn forbid_retry(headers: &mut HeaderMap, protocol: Protocol) {
    if protocol == Protocol::Grpc {
        let _no_room = headers.try_insert(PUSHBACK, NEVER);
    } else if let Ok(entry) = headers.try_entry(SHOULD_RETRY) {
        let _its_own_or_no_room = entry.or_try_insert(spelled(false));
    }
}

const fn spelled(word: bool) -> HeaderValue {
    HeaderValue::from_static(if word { "true" } else { "false" })
}

const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");
