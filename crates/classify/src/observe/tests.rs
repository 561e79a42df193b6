//! Whatever a stream is and however it is cut, an observer says what reading each event says.

use std::ops::Range;

use buttress_body::Observe;
use buttress_core::{Outcome, Sign};
use buttress_sse::Parser;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::{Just, Strategy, any, prop, prop_assert_eq, prop_oneof, proptest};
use proptest::sample::{Index, select};

use super::Observer;
use super::event::Says;
use crate::profile::Profile;

fn observer(profile: Profile, content_type: &'static str) -> Observer {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    profile.observer(StatusCode::OK, &headers)
}

/// What a stream comes to, and after which byte.
#[derive(Debug, Default, PartialEq)]
struct Reading {
    content: Option<usize>,
    settled: Option<(usize, Outcome)>,
    end: Option<Outcome>,
}

/// Reads every event, byte by byte, and passes over nothing.
fn read_all(profile: Profile, bytes: &[u8]) -> Reading {
    let mut parser = Parser::new();
    let mut reading = Reading::default();
    let (mut shape, mut finished) = (None, profile.name() == "generic");
    for at in 0..bytes.len() {
        let Some(event) = parser.next_event(&mut &bytes[at..=at]).unwrap() else {
            continue;
        };
        let (says, its_shape) = Says::read(&profile, shape, &event);
        let mut content = false;
        match says {
            Says::Nothing => {}
            Says::Content => content = true,
            Says::Finished { content: too } => (finished, content) = (true, too),
            Says::Aborted if reading.content.is_some() && profile.name() != "vllm" => {}
            Says::Aborted => reading.settled = Some((at, Outcome::TRUNCATED)),
            Says::End => reading.settled = Some((at, Outcome::SUCCESS)),
            Says::Failed(outcome) => reading.settled = Some((at, outcome)),
        }
        if reading.settled.is_some() {
            return reading;
        }
        if content && reading.content.is_none() {
            reading.content = Some(at);
            shape = its_shape;
        }
    }
    reading.end = Some(if finished {
        Outcome::SUCCESS
    } else {
        Outcome::TRUNCATED
    });
    reading
}

/// What an observer says of a stream that is cut at these places.
fn observe(mut observer: Observer, bytes: &[u8], cuts: &[usize]) -> Vec<(Range<usize>, Sign)> {
    let mut signs = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        let sign = observer.data(&bytes[start..end]);
        signs.push((start..end, sign));
        if matches!(sign, Sign::Settled(_)) {
            return signs;
        }
        start = end;
    }
    signs.push((start..start, Sign::Settled(observer.end())));
    signs
}

/// What it should say.
fn expected(reading: &Reading, len: usize, cuts: &[usize]) -> Vec<(Range<usize>, Sign)> {
    let mut signs = Vec::new();
    let mut start = 0;
    for end in cuts.iter().copied().chain([len]) {
        let frame = start..end;
        start = end;
        if let Some((at, outcome)) = reading.settled {
            if frame.contains(&at) {
                signs.push((frame, Sign::Settled(outcome)));
                return signs;
            }
        }
        let content = reading.content.is_some_and(|at| frame.contains(&at));
        let sign = if content {
            Sign::Content
        } else {
            Sign::Nothing
        };
        signs.push((frame, sign));
    }
    signs.push((start..start, Sign::Settled(reading.end.unwrap())));
    signs
}

fn cuts(len: usize, places: &[Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = places.iter().map(|place| place.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts
}

/// Text with everything in it that is sought outside of it.
fn text() -> impl Strategy<Value = String> {
    let traps = select(vec![
        "",
        "Hello",
        " the current error",
        "error",
        "\"error\"",
        "{\"error\":{\"type\":\"overloaded_error\"}}",
        "[DONE]",
        "\n\ndata: [DONE]\n\n",
        "event: error\ndata: {}\n\n",
        "message_stop",
        "\"type\":\"message_stop\"",
        "\"finish_reason\":\"abort\"",
        "abort",
        "the book about it",
        "finishReason\":\"STOP\"",
        "Regarding Reason",
        "\\",
        "\\\"",
        "}]}",
        "\u{feff}\u{2028}größer",
        "a longer piece of text than any that has been before it, to fill more than one step",
    ]);
    (traps, ".{0,6}").prop_map(|(trap, more)| format!("{trap}{more}"))
}

/// The data of an event, as providers write them, and some as none does.
fn data() -> impl Strategy<Value = String> {
    let quoted = || text().prop_map(|text| serde_json::Value::from(text).to_string());
    let of_text = select(vec![
        r#"{"id":"c-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":TEXT},"finish_reason":null}],"error":null}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":TEXT}}],"usage":null}"#,
        r#"{"choices": [{"index": 0, "text": TEXT, "logprobs": null, "finish_reason": "stop"}]}"#,
        r#"{"choices":[{"delta":{"reasoning_content":TEXT,"content":null}}]}"#,
        r#"{"choices":[{"delta":{"content":TEXT},"finish_reason":"abort"}]}"#,
        r#"{"id":"or-1","choices":[{"delta":{"content":TEXT},"finish_reason":"error"}]}"#,
        r#"{"id":"or-1","error":{"code":502,"message":TEXT},"choices":[{"delta":{"content":""}}]}"#,
        r#"{"choices":[{"delta":{}}],"error":{"code":"rate_limit_exceeded","message":TEXT}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":TEXT}}"#,
        r#"{"type": "content_block_delta", "delta": {"text": TEXT}}"#,
        r#"{"delta":{"text":TEXT},"type":"content_block_delta"}"#,
        r#"{"type":"response.output_text.delta","sequence_number":4,"item_id":"i","delta":TEXT}"#,
        r#"{"type":"response.reasoning_summary_text.delta","item_id":"i","delta":TEXT}"#,
        r#"{"type":"response.failed","response":{"error":{"code":"server_error","message":TEXT}}}"#,
        r#"{"type":"response.completed","response":{"output":[{"text":TEXT}]}}"#,
        r#"{"type":"error","error":{"type":"overloaded_error","message":TEXT}}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":TEXT}],"role":"model"},"index":0}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":TEXT}]},"finishReason":"STOP"}]}"#,
        r#"{"error":{"code":503,"status":"UNAVAILABLE","message":TEXT}}"#,
        r#"{"text":TEXT,"padding":"0123456789012345678901234567890123456789"}"#,
        "TEXT",
    ]);
    let bare = select(vec![
        "[DONE]",
        "[DONE] ",
        ": keepalive",
        "",
        "{}",
        "{",
        r#"{"type":"ping"}"#,
        r#"{"type":"message_start","message":{"content":[],"usage":{"output_tokens":1}}}"#,
        r#"{"type":"message_stop"}"#,
        r#"{"type":"response.incomplete","response":{"status":"incomplete"}}"#,
        r#"{"choices":[],"prompt_filter_results":[{"prompt_index":0}]}"#,
        r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#,
        r#"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":4}}"#,
    ]);
    prop_oneof![
        4 => (of_text, quoted()).prop_map(|(data, text)| data.replace("TEXT", &text)),
        1 => bare.prop_map(str::to_owned),
    ]
}

fn event() -> impl Strategy<Value = String> {
    let names = vec![
        "content_block_delta",
        "response.output_text.delta",
        "message_stop",
        "error",
        "ping",
    ];
    let before = prop_oneof![
        6 => Just(String::new()),
        4 => select(names).prop_map(|name| format!("event: {name}\n")),
        1 => select(vec![": OPENROUTER PROCESSING\n\n", ": ping\n", "id: 7\n", "retry: 5\n", "\n", "\u{feff}"])
            .prop_map(str::to_owned),
    ];
    let space = select(vec!["data: ", "data: ", "data: ", "data:"]);
    (before, space, data(), any::<bool>()).prop_map(|(before, space, data, two_lines)| {
        let data = match data.split_once(',') {
            Some((one, two)) if two_lines => format!("{one},\n{space}{two}"),
            _ => data,
        };
        format!("{before}{space}{data}\n\n")
    })
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let ends = select(vec!["\n", "\n", "\n", "\r\n", "\r"]);
    let bom = select(vec!["", "", "\u{feff}"]);
    (bom, prop::collection::vec(event(), 0..12), ends).prop_map(|(bom, events, end)| {
        (bom.to_owned() + &events.concat().replace('\n', end)).into()
    })
}

/// Where events end, as most frames do, and places of no meaning.
fn places(stream: &[u8]) -> Vec<usize> {
    let ends = |end: &'static [u8]| {
        let ends = stream.windows(end.len()).enumerate();
        ends.filter_map(move |(at, window)| (window == end).then_some(at + end.len()))
    };
    ends(b"\n\n").chain(ends(b"\r\n\r\n")).collect()
}

const STREAMS: &str = "text/event-stream";

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]

    #[test]
    fn cutting_a_stream_anywhere_changes_neither_signs_nor_outcome(
        profile in select(Profile::ALL.to_vec()),
        stream in stream(),
        places in prop::collection::vec(any::<Index>(), 0..6),
    ) {
        if profile.name() == "grpc" || profile.name() == "bedrock" {
            return Ok(());
        }
        let cuts = cuts(stream.len(), &places);
        let seen = observe(observer(profile, STREAMS), &stream, &cuts);
        prop_assert_eq!(seen, expected(&read_all(profile, &stream), stream.len(), &cuts));
    }

    #[test]
    fn what_is_passed_over_says_nothing(
        profile in select(Profile::ALL.to_vec()),
        stream in stream(),
        dropped in prop::collection::vec(any::<Index>(), 0..3),
    ) {
        if profile.name() == "grpc" || profile.name() == "bedrock" {
            return Ok(());
        }
        let mut cuts = places(&stream);
        for dropped in dropped {
            if !cuts.is_empty() {
                cuts.remove(dropped.index(cuts.len()));
            }
        }
        let seen = observe(observer(profile, STREAMS), &stream, &cuts);
        prop_assert_eq!(seen, expected(&read_all(profile, &stream), stream.len(), &cuts));
    }

    #[test]
    fn broken_streams_are_read_alike_too(
        profile in select(vec![Profile::OPENAI, Profile::VLLM, Profile::ANTHROPIC, Profile::GEMINI]),
        stream in stream(),
        places_of_cuts in prop::collection::vec(any::<Index>(), 0..3),
        broken in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut stream = stream;
        for (at, byte) in broken {
            if !stream.is_empty() {
                let at = at.index(stream.len());
                stream[at] = byte;
            }
        }
        let mut cuts = cuts(stream.len(), &places_of_cuts);
        cuts.extend(places(&stream));
        cuts.sort_unstable();
        let seen = observe(observer(profile, STREAMS), &stream, &cuts);
        prop_assert_eq!(seen, expected(&read_all(profile, &stream), stream.len(), &cuts));
    }

    #[test]
    fn no_bytes_panic(
        profile in select(Profile::ALL.to_vec()),
        content_type in select(vec![STREAMS, "application/vnd.amazon.eventstream", "application/grpc", "text/plain"]),
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..6),
    ) {
        let mut observer = observer(profile, content_type);
        for frame in &frames {
            if let Sign::Settled(_) = observer.data(frame) {
                return Ok(());
            }
        }
        observer.end();
    }
}
