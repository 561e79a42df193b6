//! How much of a rate is left.

use buttress_classify::hints::{RateLimit, rate_limits};
use buttress_tests::{Suite, same, vectors};
use serde_json::{Value, json};

use crate::{headers, id, milliseconds, unix};

#[test]
fn rate_limit_headers_are_read_as_providers_write_them() {
    let mut suite = Suite::default();
    for vector in vectors("rate_limit_headers") {
        let verdict = match vector["kind"].as_str().unwrap() {
            "duration" => duration(&vector),
            "anthropic" => anthropic(&vector),
            other => Err(format!("unknown kind {other}")),
        };
        suite.judge(id(&vector), verdict);
    }
    suite.finish(&[]);
}

fn duration(vector: &Value) -> Result<(), String> {
    let headers = headers(&json!({ "x-ratelimit-reset-requests": vector["input"] }));
    let reset = rate_limits(&headers, None).requests.reset;
    let expected = vector["expected"]["ms"].as_u64();
    same(reset.map(milliseconds), expected.map(u128::from))
}

fn anthropic(vector: &Value) -> Result<(), String> {
    assert_eq!(vector["context"]["now"], "2026-02-25T20:02:31Z");
    let ours = rate_limits(&headers(&vector["input"]), Some(unix(1_772_049_751)));
    let expected = &vector["expected"];
    for (ours, name) in [
        (ours.requests, "requests"),
        (ours.tokens, "tokens"),
        (ours.input_tokens, "input_tokens"),
        (ours.output_tokens, "output_tokens"),
    ] {
        limit(ours, &expected[name])?;
    }
    same(expected.as_object().unwrap().len(), 4)
}

fn limit(ours: RateLimit, expected: &Value) -> Result<(), String> {
    same(ours.limit, expected["limit"].as_u64())?;
    same(ours.remaining, expected["remaining"].as_u64())?;
    let reset = expected["reset_in_ms"].as_u64().map(u128::from);
    same(ours.reset.map(milliseconds), reset)
}
