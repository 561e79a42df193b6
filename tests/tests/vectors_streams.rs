//! The vectors about event streams, for those who watch them.
//!
//! What the events are is the parser's. Here it is what they say: whether there is content, and whether
//! the stream has come to its end.

#![expect(
    clippy::unwrap_used,
    reason = "a vector of another shape is a broken file, and the test says where"
)]

use buttress_body::Observe;
use buttress_classify::Profile;
use buttress_core::{Outcome, Sign};
use buttress_tests::vectors;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::Value;

#[test]
fn observers_agree_with_the_streams_of_llm_apis() {
    for vector in &vectors("sse_streams") {
        let expected = vector["expected"].as_array().unwrap();
        let expects = |name| expected.iter().any(|event| event.get(name).is_some());
        let (profile, content, outcome) = if expects("terminator") {
            (Profile::OPENAI, false, Outcome::SUCCESS)
        } else if expects("incomplete") {
            (Profile::OPENAI, false, Outcome::TRUNCATED)
        } else if expects("ping") {
            (Profile::ANTHROPIC, false, Outcome::TRUNCATED)
        } else {
            // Of no provider: what has data is content, and every end is one.
            (Profile::HTTP, expects("json"), Outcome::SUCCESS)
        };
        let frames = frames(vector);
        let bytes = frames.concat().chunks(1).map(<[u8]>::to_vec).collect();
        for frames in [frames.clone(), bytes, vec![frames.concat()]] {
            let seen = observe(profile, &frames);
            assert_eq!(seen, (content, outcome), "{}", vector["id"]);
        }
    }
}

/// That what keeps a stream alive is no progress of it.
#[test]
fn comments_and_empty_data_are_no_content() {
    let heartbeats = [": OPENROUTER PROCESSING\n\n", ": ping\n\n", "data: \n\n"];
    for profile in Profile::ALL {
        for heartbeat in heartbeats {
            let (content, _) = observe(profile, &[heartbeat.into()]);
            assert!(!content, "{}: {heartbeat}", profile.name());
        }
    }
}

/// Whether there was content, and how it ended.
fn observe(profile: Profile, frames: &[Vec<u8>]) -> (bool, Outcome) {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    let mut observer = profile.observer(StatusCode::OK, &head);
    let mut content = false;
    for frame in frames {
        match observer.data(frame) {
            Sign::Nothing => {}
            Sign::Content => content = true,
            Sign::Settled(outcome) => return (content, outcome),
        }
    }
    (content, observer.end())
}

fn frames(vector: &Value) -> Vec<Vec<u8>> {
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().unwrap().iter();
        texts
            .map(|text| text.as_str().unwrap().to_owned())
            .collect()
    };
    match &vector["input_hex"] {
        Value::Null => texts(&vector["input"])
            .into_iter()
            .map(Into::into)
            .collect(),
        hex => texts(hex).iter().map(|hex| unhex(hex)).collect(),
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    let bytes = (0..hex.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
