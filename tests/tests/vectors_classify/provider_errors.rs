//! Error bodies, and error events in the middle of streams.

use buttress_classify::Profile;
use buttress_core::{Kind, Outcome, Reason};
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::{Suite, equal, id, milliseconds, vectors};

#[test]
fn errors_of_providers_mean_what_they_say() {
    let mut suite = Suite::default();
    for vector in vectors("provider_errors.json") {
        suite.judge(id(&vector), judge(&vector));
    }
    suite.finish(&[(
        "vllm_abort_finish_reason",
        "a sequence of events without an error among them: for the stream observers",
    )]);
}

fn judge(vector: &Value) -> Result<(), String> {
    let (provider, _) = id(vector).split_once('_').unwrap();
    let profile = Profile::by_name(provider).unwrap();
    let outcome = read(&profile, &vector["input"])?;
    for (name, expected) in vector["expected"].as_object().unwrap() {
        expect(&profile, &outcome, name, expected)?;
    }
    Ok(())
}

fn read(profile: &Profile, input: &Value) -> Result<Outcome, String> {
    let input = input.as_object().ok_or("a sequence of events")?;
    if let Some(body) = input.get("body") {
        let status = status(&input["status"]);
        return Ok(profile.error_body(status, &HeaderMap::new(), body.to_string().as_bytes()));
    }
    let exception = input.get("event_stream_exception");
    let exception = exception.or_else(|| input.get("headers")?.get(":exception-type"));
    let event = input.get("event").or(exception).and_then(Value::as_str);
    let data = match (input.get("data"), exception) {
        (Some(data), _) => data.to_string(),
        (None, Some(_)) => String::new(),
        (None, None) => Value::from(input.clone()).to_string(),
    };
    let outcome = profile.stream_error(event, data.as_bytes());
    outcome.ok_or_else(|| "not seen as an error".to_owned())
}

fn expect(profile: &Profile, ours: &Outcome, name: &str, expected: &Value) -> Result<(), String> {
    match name {
        "class" => class(ours, expected.as_str().unwrap()),
        "effective_status" => equal(ours.kind, profile.meaning(status(expected)).kind),
        "hint_ms" => {
            let expected = expected.as_u64().map(u128::from);
            equal(ours.retry_after.map(milliseconds), expected)
        }
        "retryable" | "retryable_if_nothing_emitted" => {
            equal(ours.is_retryable(), expected.as_bool().unwrap())
        }
        // It was seen as one, or there were no outcome.
        "stream_error" => equal(true, expected.as_bool().unwrap()),
        // What a client shows, and where it resumes.
        "message" | "resume_cursor" => Ok(()),
        other => Err(format!("unknown expectation {other}")),
    }
}

fn class(ours: &Outcome, expected: &str) -> Result<(), String> {
    match expected {
        "overloaded" => equal(ours.kind, Kind::Overloaded),
        "rate_limited" => equal(
            (ours.kind, ours.reason),
            (Kind::Throttled, Some(Reason::RateLimit)),
        ),
        "quota_exhausted" => equal(ours.kind, Kind::OutOfQuota),
        "content_policy" => equal(
            (ours.kind, ours.reason),
            (Kind::Invalid, Some(Reason::ContentPolicy)),
        ),
        other => Err(format!("unknown class {other}")),
    }
}

fn status(status: &Value) -> StatusCode {
    StatusCode::from_u16(u16::try_from(status.as_u64().unwrap()).unwrap()).unwrap()
}
