//! Error bodies, and error events in the middle of streams.

use buttress_body::Observe;
use buttress_classify::Profile;
use buttress_core::{Kind, Outcome, Reason, Sign};
use buttress_tests::{Suite, same, vectors};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::{headers, id, milliseconds};

#[test]
fn errors_of_providers_mean_what_they_say() {
    let mut suite = Suite::default();
    for vector in vectors("provider_errors") {
        suite.judge(id(&vector), judge(&vector));
    }
    suite.finish(&[]);
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
    if let Some(events) = input.as_array() {
        let events: String = events
            .iter()
            .map(|event| written(None, &event["data"]))
            .collect();
        return Ok(observed(profile, &events));
    }
    let input = input.as_object().ok_or("no answer, no event")?;
    if let Some(body) = input.get("body") {
        let status = status(&input["status"]);
        return Ok(profile.error_body(status, &HeaderMap::new(), body.to_string().as_bytes()));
    }
    let exception = input.get("event_stream_exception");
    let exception = exception.or_else(|| input.get("headers")?.get(":exception-type"));
    let event = input.get("event").or(exception).and_then(Value::as_str);
    if exception.is_some() {
        let outcome = profile.stream_error(event, &[]);
        return outcome.ok_or_else(|| "not seen as an error".to_owned());
    }
    let data = match input.get("data") {
        Some(data) => data.clone(),
        None => Value::from(input.clone()),
    };
    let outcome = profile.stream_error(event, data.to_string().as_bytes());
    let outcome = outcome.ok_or("not seen as an error")?;
    // Whoever watches the stream sees it, too, and believes no end behind it.
    let stream = written(event, &data) + "data: [DONE]\n\n";
    same(observed(profile, &stream), outcome)?;
    Ok(outcome)
}

fn written(event: Option<&str>, data: &Value) -> String {
    let name = event.map(|name| format!("event: {name}\n"));
    let data = data
        .as_str()
        .map_or_else(|| data.to_string(), str::to_owned);
    format!("{}data: {data}\n\n", name.unwrap_or_default())
}

fn observed(profile: &Profile, stream: &str) -> Outcome {
    let head = headers(&json!({ "content-type": "text/event-stream" }));
    let mut observer = profile.observer(StatusCode::OK, &head);
    match observer.data(stream.as_bytes()) {
        Sign::Settled(outcome) => outcome,
        Sign::Nothing | Sign::Content => observer.end(),
    }
}

fn expect(profile: &Profile, ours: &Outcome, name: &str, expected: &Value) -> Result<(), String> {
    match name {
        "class" => class(ours, expected.as_str().unwrap()),
        "effective_status" => same(ours.kind, profile.meaning(status(expected)).kind),
        "hint_ms" => {
            let expected = expected.as_u64().map(u128::from);
            same(ours.retry_after.map(milliseconds), expected)
        }
        "retryable" | "retryable_if_nothing_emitted" => {
            same(ours.is_retryable(), expected.as_bool().unwrap())
        }
        "complete" => same(ours.is_success(), expected.as_bool().unwrap()),
        // It was seen as one, or there were no outcome.
        "stream_error" => same(true, expected.as_bool().unwrap()),
        // What a client shows, and where it resumes.
        "message" | "resume_cursor" => Ok(()),
        other => Err(format!("unknown expectation {other}")),
    }
}

fn class(ours: &Outcome, expected: &str) -> Result<(), String> {
    match expected {
        "aborted" => same(
            (ours.kind, ours.reason),
            (Kind::Transient, Some(Reason::Truncated)),
        ),
        "overloaded" => same(ours.kind, Kind::Overloaded),
        "rate_limited" => same(
            (ours.kind, ours.reason),
            (Kind::Throttled, Some(Reason::RateLimit)),
        ),
        "quota_exhausted" => same(ours.kind, Kind::OutOfQuota),
        "content_policy" => same(
            (ours.kind, ours.reason),
            (Kind::Invalid, Some(Reason::ContentPolicy)),
        ),
        other => Err(format!("unknown class {other}")),
    }
}

fn status(status: &Value) -> StatusCode {
    StatusCode::from_u16(u16::try_from(status.as_u64().unwrap()).unwrap()).unwrap()
}
