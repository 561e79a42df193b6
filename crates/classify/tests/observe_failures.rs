//! Failures of others, by their numbers, that reading a stream must be immune to.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_body::Observe;
use buttress_classify::{Observer, Profile};
use buttress_core::{Kind, Outcome, Reason, Sign};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

fn observer(profile: Profile, content_type: &'static str) -> Observer {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    profile.observer(StatusCode::OK, &head)
}

fn events(profile: Profile) -> Observer {
    observer(profile, "text/event-stream")
}

fn settled(observer: &mut Observer, stream: &str) -> Outcome {
    match observer.data(stream.as_bytes()) {
        Sign::Settled(outcome) => outcome,
        Sign::Nothing | Sign::Content => observer.end(),
    }
}

const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n";
const DONE: &str = "data: [DONE]\n\n";

#[test]
fn f19_what_a_reader_cannot_see_is_no_content() {
    for (profile, stream) in [
        (
            Profile::OPENAI,
            ": keepalive\n\n: OPENROUTER PROCESSING\n\n",
        ),
        (
            Profile::OPENAI,
            "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"finish_reason\":null}]}\n\n",
        ),
        (
            Profile::OPENAI,
            "data: {\"choices\":[{\"delta\":{\"audio\":{\"id\":\"audio_1\",\"transcript\":\"\"}}}]}\n\n",
        ),
        (
            Profile::AZURE,
            "data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n",
        ),
        (
            Profile::OPENAI,
            "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\",\"output\":[]}}\n\n",
        ),
        (
            Profile::OPENAI,
            "data: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\",\"content\":[]}}\n\n",
        ),
        (
            Profile::ANTHROPIC,
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"role\":\"assistant\",\"content\":[],\"usage\":{\"output_tokens\":1}}}\n\n\
             event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n\
             event: ping\ndata: {\"type\": \"ping\"}\n\n\
             event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}\n\n",
        ),
        (
            Profile::GEMINI,
            "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\",\"thoughtSignature\":\"abc\"}],\"role\":\"model\"}}],\"usageMetadata\":{\"promptTokenCount\":4}}\n\n",
        ),
        // The beginning of content, but no more.
        (Profile::OPENAI, &HELLO[..HELLO.len() - 1]),
    ] {
        let sign = events(profile).data(stream.as_bytes());
        assert_eq!(sign, Sign::Nothing, "{}: {stream}", profile.name());
    }
}

#[test]
fn f19_content_is_announced_once_in_the_frame_that_completes_it() {
    let mut observer = events(Profile::OPENAI);
    let (most, last) = HELLO.split_at(HELLO.len() - 1);
    assert_eq!(observer.data(most.as_bytes()), Sign::Nothing);
    assert_eq!(observer.data(last.as_bytes()), Sign::Content);
    assert_eq!(observer.data(HELLO.as_bytes()), Sign::Nothing);
}

#[test]
fn f21_an_overload_in_the_middle_is_no_shorter_success() {
    let overloaded =
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
    let stream = [TEXT, overloaded].concat();
    let outcome = settled(&mut events(Profile::ANTHROPIC), &stream);
    assert_eq!(outcome.kind, Kind::Overloaded);

    // vLLM says [DONE] to everything; the chunk of OpenRouter has content, too.
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"Hel\"}}],\"error\":{\"code\":502,\"message\":\"\"}}\n\n";
    for profile in [Profile::VLLM, Profile::OPENROUTER] {
        let stream = [HELLO, chunk, DONE].concat();
        let outcome = settled(&mut events(profile), &stream);
        assert_eq!(outcome.kind, Kind::Transient, "{}", profile.name());
    }
}

#[test]
fn f21_a_stream_that_just_stops_is_truncated() {
    for (profile, stream) in [
        (Profile::OPENAI, HELLO),
        (Profile::ANTHROPIC, TEXT),
        (Profile::GEMINI, TEXT),
    ] {
        let outcome = settled(&mut events(profile), stream);
        assert_eq!(outcome.kind, Kind::Transient);
        assert_eq!(outcome.reason, Some(Reason::Truncated));
    }
}

#[test]
fn f22_an_error_event_is_judged_by_its_type_not_by_the_status_it_comes_under() {
    let quota =
        "data: {\"error\":{\"type\":\"insufficient_quota\",\"code\":\"insufficient_quota\"}}\n\n";
    let outcome = settled(&mut events(Profile::OPENAI), quota);
    assert_eq!(outcome.kind, Kind::OutOfQuota);

    let number = "data: {\"error\":{\"code\":429,\"message\":\"\"}}\n\n";
    let outcome = settled(&mut events(Profile::OPENROUTER), number);
    assert_eq!(outcome.kind, Kind::Throttled);
}

#[test]
fn f22_an_event_may_be_an_error_by_its_name_alone() {
    for end in ["\n", "\r\n", "\r"] {
        for (profile, event) in [(Profile::OPENAI, HELLO), (Profile::ANTHROPIC, TEXT)] {
            let (_, data) = event.split_at(event.find("data").unwrap());
            let error = format!("event: error\n{data}").replace('\n', end);
            let mut observer = events(profile);
            assert_eq!(observer.data(event.as_bytes()), Sign::Content);
            let outcome = settled(&mut observer, &error);
            assert_eq!(
                (outcome.kind, outcome.reason),
                (Kind::Transient, None),
                "{error}"
            );
        }
    }
}

#[test]
fn f29_text_that_speaks_of_errors_and_ends_is_text() {
    for text in [
        "the current error: overloaded_error",
        "[DONE]",
        r#"\"error\": {\"type\": \"overloaded_error\"}"#,
        r#"\n\ndata: [DONE]\n\nevent: error\ndata: {}\n\n"#,
        r#"{\"type\": \"message_stop\"}, \"finish_reason\": \"abort\""#,
    ] {
        for (profile, event) in [(Profile::VLLM, HELLO), (Profile::ANTHROPIC, TEXT)] {
            let event = event.replace("Hello", text);
            let mut observer = events(profile);
            assert_eq!(observer.data(event.as_bytes()), Sign::Content, "{event}");
            assert_eq!(observer.data(event.as_bytes()), Sign::Nothing, "{event}");
            assert_eq!(observer.end(), Outcome::TRUNCATED, "{event}");
        }
    }
}

#[test]
fn f30_a_200_that_is_not_what_was_asked_for_is_no_success() {
    for stream in [
        "",
        "<html>\n\n",
        "data: {\"hello\": \"world\"}\n\n",
        "data: {\n\n",
    ] {
        let outcome = settled(&mut events(Profile::OPENAI), stream);
        assert_eq!(outcome, Outcome::TRUNCATED, "{stream}");
    }
    let mut frames = observer(Profile::BEDROCK, "application/vnd.amazon.eventstream");
    frames.data(b"data: [DONE]\n\n");
    assert_eq!(frames.end(), Outcome::TRUNCATED);
}

#[test]
fn f34_heartbeats_of_every_kind_are_read_over() {
    for heartbeat in [
        ": ping\n",
        ": ping\n\n",
        ":\n\n",
        "data: : keepalive\n\n",
        "data:\n\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event: heartbeat\n\n",
        "id: 4\n\n",
        "\r\n",
    ] {
        let mut observer = events(Profile::OPENAI);
        assert_eq!(observer.data(heartbeat.as_bytes()), Sign::Nothing);
        assert_eq!(observer.data(HELLO.as_bytes()), Sign::Content);
        assert_eq!(observer.data(heartbeat.as_bytes()), Sign::Nothing);
        assert_eq!(
            observer.data(DONE.as_bytes()),
            Sign::Settled(Outcome::SUCCESS)
        );
    }
}
