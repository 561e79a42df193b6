//! What content is, what an error, and what an end: per profile and endpoint.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_body::Observe;
use buttress_classify::{Observer, Profile};
use buttress_core::{Kind, Outcome, Reason, Sign};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};

fn head(fields: &[(http::HeaderName, &'static str)]) -> HeaderMap {
    let fields = fields.iter().cloned();
    fields
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
        .collect()
}

fn events(profile: Profile) -> Observer {
    let head = head(&[(CONTENT_TYPE, "text/event-stream; charset=utf-8")]);
    profile.observer(StatusCode::OK, &head)
}

/// What one event says, as the first of a stream.
fn sign(profile: Profile, event: &str) -> Sign {
    events(profile).data(format!("{event}\n\n").as_bytes())
}

/// What a whole stream comes to, an event in each frame.
fn outcome(profile: Profile, stream: &[&str]) -> Outcome {
    let mut observer = events(profile);
    for event in stream {
        if let Sign::Settled(outcome) = observer.data(format!("{event}\n\n").as_bytes()) {
            return outcome;
        }
    }
    observer.end()
}

const HELLO: &str = r#"data: {"choices":[{"index":0,"delta":{"content":"Hello"}}]}"#;
const DONE: &str = "data: [DONE]";
const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}";
const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}";

#[test]
fn text_reasoning_tool_calls_and_audio_are_content() {
    for (profile, event) in [
        (Profile::OPENAI, HELLO),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"text":"Hello","index":0,"logprobs":null,"finish_reason":null}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"delta":{"content":null,"tool_calls":[{"index":0,"id":"call_1","function":{"name":"f","arguments":""}}]}}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"delta":{"refusal":"I cannot"}}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"delta":{"audio":{"id":"audio_1","data":"UklG"}}}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"delta":{"audio":{"id":"audio_1","transcript":"Hel"}}}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"choices":[{"delta":{}},{"index":1,"delta":{"content":"Hello"}}]}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"type":"response.output_text.delta","delta":"Hello"}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"type":"response.reasoning_summary_text.delta","delta":"First"}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"type":"response.function_call_arguments.delta","delta":"{\"a"}"#,
        ),
        (
            Profile::OPENAI,
            r#"data: {"type":"speech.audio.delta","audio":"UklG"}"#,
        ),
        (Profile::AZURE, HELLO),
        (
            Profile::GROQ,
            r#"data: {"choices":[{"delta":{"reasoning":"First"}}]}"#,
        ),
        (
            Profile::VLLM,
            r#"data: {"choices":[{"delta":{"reasoning_content":"First"}}]}"#,
        ),
        (
            Profile::MISTRAL,
            r#"data: {"choices":[{"delta":{"content":[{"type":"thinking","thinking":[]}]}}]}"#,
        ),
        (Profile::OPENROUTER, HELLO),
        (Profile::ANTHROPIC, TEXT),
        (
            Profile::ANTHROPIC,
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"First"}}"#,
        ),
        (
            Profile::ANTHROPIC,
            r#"data: { "delta" : { "partial_json" : "{\"a" , "new" : [ ] } , "type" : "content_block_delta" }"#,
        ),
        (
            Profile::GEMINI,
            r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"}}]}"#,
        ),
        (
            Profile::GEMINI,
            r#"data: {"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#,
        ),
        (
            Profile::GEMINI,
            r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":"STOP"}]}"#,
        ),
        // One door, many models: an event tells its own shape.
        (Profile::GEMINI, TEXT),
        (Profile::OPENROUTER, TEXT),
        (Profile::BEDROCK, HELLO),
    ] {
        let seen = sign(profile, event);
        assert_eq!(seen, Sign::Content, "{}: {event}", profile.name());
    }
}

#[test]
fn ends_are_told_by_the_endpoint() {
    for (profile, stream) in [
        (Profile::OPENAI, &[HELLO, DONE][..]),
        (Profile::OPENAI, &[DONE]),
        (Profile::OPENAI, &[HELLO, "data:[DONE]"]),
        (
            Profile::OPENAI,
            &[r#"data: {"type":"response.completed","response":{"error":null}}"#],
        ),
        (
            Profile::OPENAI,
            &[
                r#"data: {"type":"response.output_text.delta","delta":"Hello"}"#,
                "event: response.incomplete\ndata: {\"type\":\"response.incomplete\",\"response\":{\"error\":null,\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}",
            ],
        ),
        (Profile::ANTHROPIC, &[TEXT, STOP]),
        (
            Profile::ANTHROPIC,
            &[
                "data: {\"type\":\"completion\",\"completion\":\"\",\"stop_reason\":\"stop_sequence\"}",
            ],
        ),
        (
            Profile::GEMINI,
            &[
                r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}"#,
                r#"data: {"candidates":[{"content":{"parts":[]},"finishReason":"MAX_TOKENS"}]}"#,
                r#"data: {"usageMetadata":{"totalTokenCount":4}}"#,
            ],
        ),
        (
            Profile::GEMINI,
            &[r#"data: {"promptFeedback":{"blockReason":"SAFETY"}}"#],
        ),
        (Profile::GEMINI, &[TEXT, STOP]),
        (Profile::GEMINI, &[HELLO, DONE]),
        (Profile::HTTP, &["data: tick"]),
        (Profile::HTTP, &[]),
    ] {
        let outcome = outcome(profile, stream);
        assert_eq!(outcome, Outcome::SUCCESS, "{}: {stream:?}", profile.name());
    }
    for kind in [
        "response.completed",
        "response.incomplete",
        "speech.audio.done",
        "transcript.text.done",
        "image_generation.completed",
        "image_edit.completed",
    ] {
        let event = format!(r#"data: {{"type":"{kind}","usage":null}}"#);
        let sign = sign(Profile::OPENAI, &event);
        assert_eq!(sign, Sign::Settled(Outcome::SUCCESS), "{kind}");
    }
}

#[test]
fn an_end_is_found_among_other_events_and_with_something_behind_it() {
    let padded = format!("{DONE} {}", "x".repeat(100));
    let stream = [HELLO, HELLO, DONE, HELLO, ""].join("\n\n");
    for stream in [stream.as_bytes(), format!("{padded}\n\n").as_bytes()] {
        let mut observer = events(Profile::OPENAI);
        assert_eq!(
            observer.data(format!("{HELLO}\n\n").as_bytes()),
            Sign::Content
        );
        assert_eq!(observer.data(stream), Sign::Settled(Outcome::SUCCESS));
    }
}

#[test]
fn a_stream_without_its_end_is_cut_short() {
    for (profile, stream) in [
        (Profile::OPENAI, &[][..]),
        (Profile::OPENAI, &[HELLO]),
        (
            Profile::OPENAI,
            &[r#"data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}"#],
        ),
        (
            Profile::OPENAI,
            &[r#"data: {"type":"response.output_text.done","text":"Hello"}"#],
        ),
        (Profile::ANTHROPIC, &[TEXT]),
        // Of another endpoint than the stream was of.
        (Profile::OPENAI, &[HELLO, STOP]),
        (
            Profile::GEMINI,
            &[r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}"#],
        ),
        (
            Profile::GEMINI,
            &[
                r#"data: {"candidates":[{"content":{"parts":[{"text":"Hello"}]},"finishReason":null}]}"#,
            ],
        ),
    ] {
        let outcome = outcome(profile, stream);
        assert_eq!(
            outcome,
            Outcome::TRUNCATED,
            "{}: {stream:?}",
            profile.name()
        );
    }
}

#[test]
fn what_has_not_been_said_to_its_end_has_not_been_said() {
    let mut observer = events(Profile::OPENAI);
    assert_eq!(observer.data(b"data: [DONE]\n"), Sign::Nothing);
    assert_eq!(observer.end(), Outcome::TRUNCATED);
}

#[test]
fn an_error_event_settles_it_whatever_follows() {
    for (profile, event, kind) in [
        (
            Profile::OPENAI,
            r#"data: {"error":{"message":"Sorry","type":"server_error","code":null}}"#,
            Kind::Transient,
        ),
        (
            Profile::OPENAI,
            r#"data: {"type":"response.failed","response":{"error":{"code":"rate_limit_exceeded"}}}"#,
            Kind::Throttled,
        ),
        (
            Profile::OPENAI,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"server_error\",\"message\":\"\"}",
            Kind::Transient,
        ),
        (
            Profile::ANTHROPIC,
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
            Kind::Overloaded,
        ),
        (
            Profile::GEMINI,
            r#"data: {"error":{"code":503,"status":"UNAVAILABLE"}}"#,
            Kind::Overloaded,
        ),
        (
            Profile::OPENROUTER,
            r#"data: {"error":{"code":502},"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            Kind::Transient,
        ),
        (
            Profile::OPENROUTER,
            r#"data: {"choices":[{"delta":{"content":"Hello"}}],"error":{"code":"429","message":""}}"#,
            Kind::Throttled,
        ),
        (
            Profile::MISTRAL,
            r#"data: {"choices":[{"delta":{"content":""},"finish_reason":"error"}]}"#,
            Kind::Transient,
        ),
        (
            Profile::VLLM,
            r#"data: {"error":{"object":"error","message":"","type":"InternalServerError","code":500}}"#,
            Kind::Transient,
        ),
    ] {
        for before in [&[][..], &[HELLO], &[": OPENROUTER PROCESSING"]] {
            let stream = [before, &[event, DONE, STOP]].concat();
            let outcome = outcome(profile, &stream);
            assert_eq!(outcome.kind, kind, "{}: {stream:?}", profile.name());
        }
    }
}

#[test]
fn a_response_that_failed_says_so_by_its_type_alone() {
    let failed = r#"data: {"type":"response.failed","response":{"status":"failed"}}"#;
    let delta = r#"data: {"type":"response.output_text.delta","delta":"Hello"}"#;
    for stream in [&[failed][..], &[delta, failed]] {
        assert_eq!(outcome(Profile::OPENAI, stream).kind, Kind::Transient);
        assert_ne!(outcome(Profile::OPENAI, stream), Outcome::TRUNCATED);
    }
}

#[test]
fn what_a_request_was_given_up_for_is_no_success() {
    let abort = r#"data: {"choices":[{"delta":{"content":""},"finish_reason":"abort"}]}"#;
    let outcome = outcome(Profile::VLLM, &[HELLO, abort, DONE]);
    assert_eq!(outcome, Outcome::TRUNCATED);
}

#[test]
fn of_an_unknown_upstream_the_first_event_with_data_is_content() {
    for (event, expected) in [
        ("data: tick", Sign::Content),
        ("event: tick\ndata: {}", Sign::Content),
        ("event: tick", Sign::Nothing),
        (": comment", Sign::Nothing),
        ("data:", Sign::Nothing),
        ("data: : keepalive", Sign::Nothing),
    ] {
        assert_eq!(sign(Profile::HTTP, event), expected, "{event}");
    }
}

#[test]
fn only_what_can_be_read_is_read() {
    let is_read = |fields: &[_]| {
        let observer = Profile::OPENAI.observer(StatusCode::OK, &head(fields));
        observer.awaits_content()
    };
    let kind = |value| (CONTENT_TYPE, value);
    assert!(is_read(&[kind("text/event-stream")]));
    assert!(is_read(&[kind("Text/Event-Stream ;charset=UTF-8")]));
    assert!(is_read(&[
        kind("text/event-stream"),
        (CONTENT_ENCODING, "identity")
    ]));
    assert!(!is_read(&[
        kind("text/event-stream"),
        (CONTENT_ENCODING, "gzip")
    ]));
    assert!(!is_read(&[kind("text/event-streams")]));
    assert!(!is_read(&[kind("application/json")]));
    assert!(!is_read(&[]));
}

#[test]
fn any_other_body_begins_with_its_content_and_ends_as_its_head_has_said() {
    let observer = |status: u16, fields: &[_]| {
        Profile::OPENAI.observer(StatusCode::from_u16(status).unwrap(), &head(fields))
    };
    let mut json = observer(200, &[(CONTENT_TYPE, "application/json")]);
    assert_eq!(json.data(b""), Sign::Nothing);
    assert_eq!(json.data(b"{"), Sign::Content);
    assert_eq!(json.data(b"}"), Sign::Nothing);
    assert_eq!(json.end(), Outcome::SUCCESS);

    let stream = [(CONTENT_TYPE, "text/event-stream")];
    assert_eq!(observer(204, &stream).end(), Outcome::SUCCESS);
    assert_eq!(observer(503, &stream).end().kind, Kind::Overloaded);
}

#[test]
fn a_broken_connection_is_what_it_is_with_content_or_without() {
    let reset = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    for before in ["", HELLO] {
        let mut observer = events(Profile::OPENAI);
        observer.data(before.as_bytes());
        let outcome = observer.failed(&reset);
        assert_eq!(outcome.kind, Kind::Transient);
        assert_eq!(outcome.reason, Some(Reason::Reset));
    }
}

#[test]
fn an_observer_is_small_and_can_be_anywhere() {
    fn can_be_anywhere<T: Send + Sync + Unpin + 'static>() {}
    can_be_anywhere::<Observer>();
    assert!(size_of::<Observer>() <= 96, "{}", size_of::<Observer>());
}
