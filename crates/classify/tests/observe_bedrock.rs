//! Bedrock's binary streams.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_body::Observe;
use buttress_classify::{Observer, Profile};
use buttress_core::{Kind, Outcome, Sign};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use proptest::sample::Index;

fn observer() -> Observer {
    let mut head = HeaderMap::new();
    let kind = HeaderValue::from_static("application/vnd.amazon.eventstream");
    head.insert(CONTENT_TYPE, kind);
    Profile::BEDROCK.observer(StatusCode::OK, &head)
}

fn u16_of(length: usize) -> [u8; 2] {
    u16::try_from(length).unwrap().to_be_bytes()
}

fn u32_of(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap().to_be_bytes()
}

fn message(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    // One of another type, that has to be stepped over.
    let mut encoded = vec![4, b'd', b'a', b't', b'e', 8, 0, 0, 1, 2, 3, 4, 5, 6];
    for (name, value) in headers {
        encoded.push(u8::try_from(name.len()).unwrap());
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(7);
        encoded.extend_from_slice(&u16_of(value.len()));
        encoded.extend_from_slice(value.as_bytes());
    }
    let checksum = [0; 4];
    let length = 4 + 4 + 4 + encoded.len() + payload.len() + 4;
    [
        &u32_of(length)[..],
        &u32_of(encoded.len()),
        &checksum,
        &encoded,
        payload.as_bytes(),
        &checksum,
    ]
    .concat()
}

fn event(kind: &str, payload: &str) -> Vec<u8> {
    let headers = [
        (":event-type", kind),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    message(&headers, payload)
}

fn exception(kind: &str) -> Vec<u8> {
    let headers = [(":exception-type", kind), (":message-type", "exception")];
    message(&headers, r#"{"message":"Sorry"}"#)
}

fn text(text: &str) -> Vec<u8> {
    let payload = format!(r#"{{"contentBlockIndex":0,"delta":{{"text":"{text}"}},"p":"abc"}}"#);
    event("contentBlockDelta", &payload)
}

/// A chunk of `InvokeModelWithResponseStream`; the argument is Base64 already.
fn chunk(base64: &str) -> Vec<u8> {
    event("chunk", &format!(r#"{{"bytes":"{base64}","p":"abcdef"}}"#))
}

fn end() -> Vec<u8> {
    event("messageStop", r#"{"stopReason":"end_turn"}"#)
}

#[test]
fn the_first_delta_with_something_in_it_is_content() {
    let mut observer = observer();
    assert!(observer.awaits_content());
    let start = event("messageStart", r#"{"role":"assistant"}"#);
    assert_eq!(observer.data(&start), Sign::Nothing);
    assert_eq!(observer.data(&text("")), Sign::Nothing);
    assert_eq!(observer.data(&text("Hello")), Sign::Content);
    assert_eq!(observer.data(&text("Hello")), Sign::Nothing);
    assert_eq!(observer.data(&end()), Sign::Settled(Outcome::SUCCESS));

    for delta in [
        r#"{"toolUse":{"input":"{\"a"}}"#,
        r#"{"reasoningContent":{"text":"First"}}"#,
    ] {
        let payload = format!(r#"{{"delta":{delta}}}"#);
        let sign = self::observer().data(&event("contentBlockDelta", &payload));
        assert_eq!(sign, Sign::Content, "{delta}");
    }
}

#[test]
fn f22_an_exception_is_judged_by_its_name() {
    for (name, kind) in [
        ("throttlingException", Kind::Throttled),
        ("internalServerException", Kind::Transient),
        ("serviceUnavailableException", Kind::Overloaded),
        ("validationException", Kind::Invalid),
        ("neverHeardOfException", Kind::Transient),
        ("neverHeardOf", Kind::Transient),
    ] {
        let stream = [text("Hello"), exception(name), end()].concat();
        let Sign::Settled(outcome) = observer().data(&stream) else {
            panic!("{name} settles it");
        };
        assert_eq!(outcome.kind, kind, "{name}");
    }
    let error = [
        (":error-code", "InternalFailure"),
        (":message-type", "error"),
    ];
    let sign = observer().data(&message(&error, ""));
    assert!(matches!(sign, Sign::Settled(outcome) if outcome.kind == Kind::Transient));
}

#[test]
fn without_its_last_message_a_conversation_is_truncated() {
    for stream in [vec![], text("Hello"), end()[..30].to_vec()] {
        let mut observer = observer();
        observer.data(&stream);
        assert_eq!(observer.end(), Outcome::TRUNCATED);
    }
}

#[test]
fn what_a_model_wraps_is_unwrapped() {
    // {"type":"message_start"}, and a text delta.
    let start = chunk("eyJ0eXBlIjoibWVzc2FnZV9zdGFydCJ9");
    let hello = chunk(concat!(
        "eyJ0eXBlIjoiY29udGVudF9ibG9ja19kZWx0YSIsImRlbHRhIjp7",
        "InR5cGUiOiJ0ZXh0X2RlbHRhIiwidGV4dCI6IkhlbGxvIn19"
    ));
    let mut observer = observer();
    assert_eq!(observer.data(&start), Sign::Nothing);
    assert_eq!(observer.data(&hello), Sign::Content);
    assert_eq!(observer.end(), Outcome::SUCCESS);

    // {"outputText":"Hello"}: of a model that is not known here.
    let unknown = chunk("eyJvdXRwdXRUZXh0IjoiSGVsbG8ifQ==");
    let mut observer = self::observer();
    assert_eq!(observer.data(&unknown), Sign::Content);
    assert_eq!(observer.data(&unknown[..20]), Sign::Nothing);
    assert_eq!(observer.end(), Outcome::TRUNCATED);
}

#[test]
fn a_long_message_is_stepped_over_and_a_length_beyond_reason_ends_the_reading() {
    let long = text(&"x".repeat(1_000_000));
    let mut observer = observer();
    assert_eq!(observer.data(&long[..100_000]), Sign::Content);
    assert_eq!(observer.data(&long[100_000..]), Sign::Nothing);
    assert_eq!(observer.data(&end()), Sign::Settled(Outcome::SUCCESS));

    let mut observer = self::observer();
    assert_eq!(observer.data(&[0xFF; 12]), Sign::Content);
    assert_eq!(observer.data(&end()), Sign::Nothing);
    assert_eq!(observer.end(), Outcome::TRUNCATED);
}

proptest! {
    #[test]
    fn cutting_it_anywhere_changes_nothing(cut: Index, other: Index) {
        let parts = [
            event("messageStart", r#"{"role":"assistant"}"#),
            text("Hello"),
            text(" world"),
            exception("throttlingException"),
        ];
        let content = parts[0].len() + parts[1].len() - 1;
        let stream = parts.concat();
        let mut cuts = [cut, other].map(|cut| cut.index(stream.len()));
        cuts.sort_unstable();
        let mut observer = observer();
        let mut start = 0;
        for end in cuts {
            // The checksum is the last of a message.
            let expected = match (start..end).contains(&content) {
                true => Sign::Content,
                false => Sign::Nothing,
            };
            prop_assert_eq!(observer.data(&stream[start..end]), expected);
            start = end;
        }
        let settled = matches!(observer.data(&stream[start..]), Sign::Settled(_));
        prop_assert_eq!(settled, true);
    }

    #[test]
    fn a_broken_stream_neither_panics_nor_succeeds_by_chance(
        at: Index,
        byte: u8,
        pieces in prop::collection::vec(any::<Index>(), 0..4),
    ) {
        let mut stream = [text("Hello"), text(" world")].concat();
        let at = at.index(stream.len());
        stream[at] = byte;
        let mut cuts: Vec<_> = pieces.iter().map(|piece| piece.index(stream.len())).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let mut observer = observer();
        for piece in cuts.windows(2) {
            observer.data(&stream[piece[0]..piece[1]]);
        }
        prop_assert_eq!(observer.end(), Outcome::TRUNCATED);
    }
}
