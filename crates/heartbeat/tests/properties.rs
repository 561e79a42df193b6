//! A client sees the same stream with heartbeats as without, wherever it is cut and whenever they come.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

#[path = "../../sse/tests/reference/mod.rs"]
mod reference;
mod sticky;

use std::time::Duration;

use buttress_heartbeat::{Form, HeartbeatBody, HeartbeatSseLayer, Injector};
use buttress_sse::Parser;
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use bytes::Bytes;
use http::{Request, Response};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};
use tower::{Layer, ServiceExt};

use reference::{Seen, parse, read};

const FORMS: [Form; 3] = [Form::Auto, Form::Blank, Form::Line];

/// What means something to a parser, and now and then any other bytes.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let words = |words: &'static [&'static str]| {
        prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec())
    };
    let token = prop_oneof![
        6 => words(&["\n", "\n\n", "\r\n", "\r\n\r\n", "\r", "\r\r"]),
        4 => words(&["data: a", "data", "id: 7", "id", "id:", "event: b", "retry: 9", "i", "d"]),
        2 => words(&[":", ": c", " ", "\0", "\u{FEFF}", "\u{1F980}"]),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let mark = prop_oneof![3 => Just(""), 1 => Just("\u{FEFF}"), 1 => Just("\u{FEFF}\u{FEFF}")];
    (mark, prop::collection::vec(token, 0..30))
        .prop_map(|(mark, tokens)| [mark.as_bytes(), &tokens.concat()].concat())
}

/// A stream, where it is cut, and at which of the cuts somebody wants a heartbeat.
fn cut_stream() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<bool>)> {
    stream().prop_flat_map(|stream| {
        let places = stream.len() + 1;
        (
            prop::collection::vec(any::<bool>(), places).prop_map(move |cuts| cut(&stream, &cuts)),
            prop::collection::vec(any::<bool>(), places),
        )
    })
}

fn cut(stream: &[u8], cuts: &[bool]) -> Vec<Vec<u8>> {
    let mut chunks = vec![Vec::new()];
    for (byte, cut) in stream.iter().zip(cuts) {
        if *cut {
            chunks.push(Vec::new());
        }
        chunks.last_mut().unwrap().push(*byte);
    }
    chunks
}

/// What is sent if a heartbeat is put in, as far as possible, before each chunk that wants one.
fn sent(form: Form, chunks: &[Vec<u8>], wanted: impl Fn(usize) -> bool) -> Vec<Vec<u8>> {
    let mut injector = Injector::new(form);
    let mut sent = Vec::new();
    for (place, chunk) in chunks.iter().enumerate() {
        if wanted(place) {
            sent.extend(injector.comment().map(Vec::from));
        }
        let mut chunk = Bytes::copy_from_slice(chunk);
        injector.follow(&mut chunk);
        sent.push(chunk.to_vec());
    }
    sent
}

/// The stream as a client reads it that has come so far.
fn client(chunks: &[Vec<u8>]) -> Seen {
    parse(Parser::new(), chunks.iter().map(Vec::as_slice))
}

proptest! {
    #[test]
    fn heartbeats_wherever_they_are_wanted_change_nothing((chunks, wanted) in cut_stream()) {
        let expected = read(&chunks.concat());
        for form in FORMS {
            let with = sent(form, &chunks, |place| wanted[place]);
            prop_assert_eq!(&read(&with.concat()), &expected, "{:?} {:?}", form, with);
            prop_assert_eq!(&client(&with), &expected);
        }
    }

    #[test]
    fn nothing_but_comments_is_added_and_nothing_but_a_first_mark_taken_out(
        (chunks, wanted) in cut_stream(),
        form in prop::sample::select(&FORMS[..]),
    ) {
        let stream = chunks.concat();
        let mut injector = Injector::new(form);
        let (mut passed, mut first) = (Vec::new(), false);
        for (place, chunk) in chunks.iter().enumerate() {
            if wanted[place] {
                let comment = injector.comment();
                prop_assert!(comment.is_none_or(|c| c == ": keepalive\n" || c == ": keepalive\n\n"));
                first |= passed.is_empty() && chunks[..place].concat().is_empty();
            }
            let mut chunk = Bytes::copy_from_slice(chunk);
            injector.follow(&mut chunk);
            passed.extend_from_slice(&chunk);
        }
        let mark = b"\xEF\xBB\xBF";
        let expected = match stream.strip_prefix(mark) {
            Some(rest) if first => rest,
            // The beginning of what may become a mark is kept back.
            None if first && mark.starts_with(&stream) => &[],
            Some(_) | None => &stream,
        };
        prop_assert_eq!(&passed[..], expected);
    }

    /// The decoder of several Python SDKs, which keeps the id and takes each blank line for an event then.
    #[test]
    fn f34_p19_a_client_that_keeps_its_id_sees_no_phantom((chunks, wanted) in cut_stream()) {
        let stream = chunks.concat();
        if stream.starts_with(b"\xEF\xBB\xBF") {
            return Ok(()); // it stumbles over the mark itself
        }
        for form in [Form::Auto, Form::Line] {
            let with = sent(form, &chunks, |place| wanted[place]).concat();
            prop_assert_eq!(sticky::read(&with), sticky::read(&stream), "{:?}", form);
        }
    }
}

#[test]
fn the_blank_form_shows_that_client_a_phantom() {
    let chunks = [b"id: 1\ndata: a\n\n".to_vec(), b"data: b\n\n".to_vec()];
    let events = |form| sticky::read(&sent(form, &chunks, |_| true).concat()).len();
    assert_eq!(
        (events(Form::Auto), events(Form::Line), events(Form::Blank)),
        (2, 2, 3)
    );
}

/// The chunks with pauses between them, of so many quarters of the interval.
fn paused(chunks: &[Vec<u8>], quarters: &[u32]) -> Vec<Step> {
    let steps = chunks.iter().zip(quarters.iter().cycle());
    steps
        .flat_map(|(chunk, quarters)| {
            let data = Step::data(chunk.clone());
            [Step::Wait(QUARTER * *quarters), data]
        })
        .collect()
}

const QUARTER: Duration = Duration::from_secs(1);

fn run<F: Future>(future: F) -> F::Output {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

    /// Nor is anything seen early, or an id kept before its event: wherever the connection breaks.
    #[test]
    fn one_heartbeat_at_any_place_changes_nothing_at_any_later_time(stream in stream()) {
        let bytes: Vec<_> = stream.chunks(1).map(<[u8]>::to_vec).collect();
        for form in FORMS {
            for place in 0..bytes.len() {
                let with = sent(form, &bytes, |at| at == place);
                let added = with.len() - bytes.len();
                for end in place..=bytes.len() {
                    let seen = read(&with[..end + added].concat());
                    // Bytes that may be those of a mark are kept back; they are no line yet.
                    prop_assert_eq!(seen, read(&stream[..end]), "{:?} at {}", form, place);
                }
            }
        }
    }

    #[test]
    fn a_body_with_any_pauses_reads_as_one_without(
        (chunks, _) in cut_stream(),
        quarters in prop::collection::vec(0..12_u32, 1..9),
        form in prop::sample::select(&FORMS[..]),
    ) {
        let steps = paused(&chunks, &quarters);
        let body = HeartbeatBody::new(ScriptedBody::new(steps), QUARTER * 4).form(form);
        let seen = run(audit(body)).bytes();
        prop_assert_eq!(read(&seen), read(&chunks.concat()), "{:?}", seen);
    }

    #[test]
    fn a_stream_behind_an_early_head_reads_as_the_one_that_was_joined_on(
        (chunks, _) in cut_stream(),
        quarters in prop::collection::vec(0..12_u32, 1..9),
        head in 0..24_u32,
    ) {
        let steps = paused(&chunks, &quarters);
        let body = ScriptedBody::new(steps).conservative_end();
        let answer = Response::builder().header("content-type", "text/event-stream").body(body);
        let reply = Reply::Ok(answer.unwrap()).after(QUARTER * head);
        let (inner, _handle) = ScriptedService::<_, _, std::convert::Infallible>::new([reply]);
        let layer = HeartbeatSseLayer::new().interval(QUARTER * 4).eager(QUARTER * 6, |_: &_| true);
        let seen = run(async {
            let request = Request::new(ScriptedBody::new([]));
            let answer = layer.layer(inner).oneshot(request).await.unwrap();
            audit(answer.into_body()).await.bytes()
        });
        // At the very moment of the head either may be first.
        prop_assert!(head <= 6 || seen.starts_with(b": keepalive\n\n"), "{:?}", seen);
        prop_assert_eq!(read(&seen), read(&chunks.concat()), "{:?}", seen);
    }
}
