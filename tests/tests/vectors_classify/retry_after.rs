//! How long an answer asks us to wait.
//!
//! Delays of clients come from three things: the header, the client's own backoff, and its cap. Only
//! the first is the classifier's; what a delay adds to it, and what a layer does above its cap, are
//! tested with the retry layer.

use std::time::{Duration, SystemTime};

use buttress_classify::Profile;
use buttress_classify::hints::Hints;
use buttress_tests::{Listed, Suite, same, vectors};
use http::StatusCode;
use serde_json::{Value, json};

use crate::{headers, id, milliseconds, unix};

#[test]
fn the_field_is_read_by_its_rfc_and_what_is_not_it_is_absent() {
    let mut suite = Suite::default();
    for vector in vectors("retry_after") {
        let value = match &vector["value"] {
            Value::Null => &vector["values"],
            value => value,
        };
        let now = vector["now_unix"].as_u64().unwrap();
        let headers = headers(&json!({ "retry-after": value }));
        let ours = Hints::read(&headers, Some(unix(now))).retry_after;
        let theirs = match &vector["expect_seconds"] {
            Value::String(saturate) if saturate == "saturate" => Some(Duration::MAX),
            // Of two lines we take the larger.
            Value::String(decision) if decision == "decision" => Some(Duration::from_secs(60)),
            seconds => seconds.as_u64().map(Duration::from_secs),
        };
        suite.judge(format!("{value} at {now}"), same(ours, theirs));
    }
    suite.finish(&[
        (
            "\"1.5\" at 1795291200",
            "fractions are accepted: the SDKs accept them, and providers send them",
        ),
        (
            "\"Wednesday, 01-Jan-75 00:00:00 GMT\" at 1795291200",
            "httpdate puts the two-digit years from 70 on into the last century",
        ),
    ]);
}

#[test]
fn hints_are_read_as_clients_do_and_by_our_rule_where_they_differ() {
    let mut suite = Suite::default();
    for vector in vectors("retry_after_headers") {
        suite.judge(id(&vector), judge(&vector));
    }
    suite.finish(LISTED);
}

fn judge(vector: &Value) -> Result<(), String> {
    let (input, expected) = (&vector["input"], &vector["expected"]);
    let headers = headers(&input["headers"]);
    let status = u16::try_from(input["status"].as_u64().unwrap()).unwrap();
    let status = StatusCode::from_u16(status).unwrap();
    let hint = Hints::read(&headers, now(input)).retry_after;

    if let Some(retry) = expected["retry"].as_bool() {
        let outcome = Profile::OPENAI.error_body(status, &headers, &[]);
        let within = hint.is_none_or(|hint| is_within_the_clients_cap(vector, hint));
        return same(outcome.is_retryable() && within, retry);
    }
    if let Some(hint_ms) = expected.get("hint_ms") {
        return same(hint.map(milliseconds), hint_ms.as_u64().map(u128::from));
    }
    if expected["source"] == "backoff" {
        // A hint of zero leaves the wait to the backoff too.
        return same(hint.unwrap_or_default(), Duration::ZERO);
    }
    if let Some(delay) = expected["delay_ms"].as_u64() {
        // Where the delay is the backoff, the header must have said nothing.
        let own = input["exponential_backoff_ms"].as_u64() == Some(delay);
        let theirs = (!own).then_some(u128::from(delay));
        return same(hint.map(milliseconds), theirs);
    }
    in_range(hint, &headers, expected)
}

/// A delay between two bounds, which holds either the header's wait or the client's own backoff.
fn in_range(
    hint: Option<Duration>,
    headers: &http::HeaderMap,
    expected: &Value,
) -> Result<(), String> {
    let bounds = ["min_ms", "max_ms"].map(|bound| expected[bound].as_f64().unwrap());
    let holds = |ms: f64| bounds[0] <= ms && ms <= bounds[1];
    let header = headers
        .get("retry-after")
        .and_then(|v| v.to_str().ok()?.parse().ok());
    match (hint, header) {
        (Some(hint), _) => same(holds(hint.as_secs_f64() * 1e3), true),
        (None, Some(seconds)) => same(holds(1e3 * f64::max(seconds, 0.0)), false),
        (None, None) => Ok(()),
    }
}

fn is_within_the_clients_cap(vector: &Value, hint: Duration) -> bool {
    match vector["client"].as_str().unwrap() {
        "openai-python" => hint <= Duration::from_secs(120),
        "portkey-gateway" => {
            let left = vector["input"]["remaining_budget_ms"].as_u64().unwrap();
            hint < Duration::from_millis(left)
        }
        other => panic!("what is the cap of {other}?"),
    }
}

fn now(input: &Value) -> Option<SystemTime> {
    if input["now"] == "Fri, 31 Dec 1999 23:59:57 GMT" {
        return Some(unix(946_684_797));
    }
    assert!(input["now"].is_null(), "when is {}?", input["now"]);
    input["now_unix"].as_u64().map(unix)
}

const LISTED: &[Listed] = &[
    ("anthropic_py_4", EARLIER),
    ("anthropic_py_9", EARLIER),
    ("anthropic_py_10", EARLIER),
    ("openai_node_4", EARLIER),
    ("litellm_2", EARLIER),
    ("smithy_v20_cap", EARLIER),
    (
        "smithy_v21_below",
        "the client raises the wait to its own backoff, which is the retry layer's",
    ),
    (
        "openai_node_9",
        "a number with something behind it is no number",
    ),
    ("envoy_date", "that client reads no dates here"),
    ("envoy_float", FRACTIONS),
    ("stripe_frac", FRACTIONS),
    (
        "litellm_ms_ignored",
        "that client does not know `retry-after-ms`",
    ),
    ("envoy_ts_now", TIMESTAMP),
    ("envoy_ts_past", TIMESTAMP),
    ("portkey_only_429", ANY_FAILURE),
    ("retryablehttp_500_ignored", ANY_FAILURE),
];

const EARLIER: &str = "above its cap that client retries sooner than told; we hand the hint on";
const FRACTIONS: &str = "that client accepts no fractions; providers send them";
const TIMESTAMP: &str = "an option of that client; by the RFC, digits are seconds to wait";
const ANY_FAILURE: &str = "that client looks for the hint under some statuses only";
