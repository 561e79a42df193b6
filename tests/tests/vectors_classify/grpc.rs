//! gRPC's codes, and its word on retrying.

use std::time::Duration;

use buttress_classify::grpc::Code;
use buttress_classify::hints::Pushback;
use buttress_tests::{Suite, same, vectors};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{headers, id, milliseconds};

#[test]
fn statuses_are_read_as_grpc_go_and_the_retry_proposals_have_them() {
    let mut suite = Suite::default();
    for vector in vectors("grpc_status") {
        let (input, expected) = (&vector["input"], &vector["expected"]);
        let verdict = match vector["kind"].as_str().unwrap() {
            "http_to_grpc" => of_http(input, expected),
            "configurable_retry_on" => retryable(input, expected),
            _ => Err("a rule for retrying, not about what a status means".to_owned()),
        };
        suite.judge(id(&vector), verdict);
    }
    suite.finish(&[
        (
            "xds_not_listed_UNKNOWN",
            "an exception in the server's own code, what HTTP calls 500: a breaker must count it",
        ),
        (
            "xds_not_listed_DATA_LOSS",
            "the upstream's own fault, what HTTP calls 500: a breaker must count it",
        ),
        ("commit_never_left_client", RETRYING),
        ("commit_refused_stream", RETRYING),
        ("commit_buffer_overflow", RETRYING),
        ("commit_lb_drop", RETRYING),
    ]);
}

#[test]
fn a_pushback_is_read_as_grpc_go_does() {
    let mut suite = Suite::default();
    for vector in vectors("grpc_retry_pushback") {
        suite.judge(id(&vector), pushback(&vector));
    }
    suite.finish(&[("exhausted_attempts", RETRYING)]);
}

const RETRYING: &str = "a rule for the retry layer, which counts attempts and keeps bodies";

fn of_http(status: &Value, expected: &Value) -> Result<(), String> {
    let status = u16::try_from(status.as_u64().unwrap()).unwrap();
    let code = Code::of_http(StatusCode::from_u16(status).unwrap());
    same(code.as_str(), expected.as_str().unwrap())
}

/// We retry what a service mesh may be told to retry. That it retries nothing untold is about its
/// defaults: ours are the retry layer's, which retries no POST that may have been taken on.
fn retryable(name: &Value, expected: &Value) -> Result<(), String> {
    let code = Code::by_name(name.as_str().unwrap()).ok_or("unknown code")?;
    if let Some(number) = expected["code"].as_u64() {
        same(code as u64, number)?;
    }
    let may_be_retried = expected["may_be_listed"].as_bool().unwrap();
    same(
        code.outcome().is_retryable() && code != Code::Ok,
        may_be_retried,
    )
}

/// Whether a refusal counts against a budget, and that no jitter is added, is the retry layer's.
fn pushback(vector: &Value) -> Result<(), String> {
    let headers = headers(&json!({ "grpc-retry-pushback-ms": vector["input"] }));
    let pushback = Pushback::read(&headers);
    let expected = &vector["expected"];
    let wait = match pushback {
        Some(Pushback::After(wait)) => Some(wait),
        Some(Pushback::DoNotRetry) | None => None,
    };
    match expected["action"].as_str() {
        Some("do_not_retry") => same(pushback, Some(Pushback::DoNotRetry)),
        Some("use_backoff") => same(pushback, None),
        Some("retry_after_ms") => {
            let delay = expected["delay_ms"].as_u64().unwrap();
            same(wait, Some(Duration::from_millis(delay)))
        }
        // A hint for a breaker, which has its own cap.
        None => {
            let cap = vector["context"]["max_ms"].as_u64().unwrap();
            let capped = wait.map(|wait| milliseconds(wait).min(u128::from(cap)));
            same(capped, expected["hint_ms"].as_u64().map(u128::from))
        }
        Some(other) => Err(format!("unknown action {other}")),
    }
}
