//! Events that are too long to be read.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use buttress_body::Observe;
use buttress_classify::{Observer, Profile};
use buttress_core::{Outcome, Sign};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};

const LIMIT: usize = 1024 * 1024;

fn events(profile: Profile) -> Observer {
    let mut head = HeaderMap::new();
    head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    profile.observer(StatusCode::OK, &head)
}

#[test]
fn an_event_over_the_limit_is_content_and_its_end_is_found() {
    let long = format!("data: {}\n\n", "x".repeat(LIMIT));
    let mut observer = events(Profile::OPENAI);
    assert_eq!(observer.data(long.as_bytes()), Sign::Content);
    assert_eq!(observer.data(DONE), Sign::Settled(Outcome::SUCCESS));
}

#[test]
fn so_is_one_that_comes_in_many_lines_and_many_frames() {
    let line = format!("data: {}\r\n", "x".repeat(1000));
    let mut observer = events(Profile::ANTHROPIC);
    let signs = (0..1100).map(|_| observer.data(line.as_bytes()));
    assert_eq!(signs.filter(|sign| *sign == Sign::Content).count(), 1);
    // Still within it, whatever it looks like.
    assert_eq!(observer.data(STOP), Sign::Nothing);
    assert_eq!(observer.data(b"\r"), Sign::Nothing);
    assert_eq!(observer.data(b"\n\r"), Sign::Nothing);
    assert_eq!(observer.data(b"\n"), Sign::Nothing);
    assert_eq!(observer.data(STOP), Sign::Nothing);
    assert_eq!(observer.data(b"\r\n\r\n"), Sign::Settled(Outcome::SUCCESS));
}

#[test]
fn wherever_it_is_cut_its_end_is_the_same() {
    let long = format!("data: {}", "x".repeat(LIMIT));
    for end in ["\n\n", "\r\n\r\n", "\r\r", "\ndata: y\n\n"] {
        let stream = [long.as_bytes(), end.as_bytes(), DONE].concat();
        for cut in (long.len() - 3)..stream.len() - DONE.len() {
            let mut observer = events(Profile::OPENAI);
            let signs = [&stream[..cut], &stream[cut..]].map(|frame| observer.data(frame));
            assert_eq!(signs[1], Sign::Settled(Outcome::SUCCESS), "{end:?} {cut}");
        }
    }
}

#[test]
fn a_line_behind_a_long_one_belongs_to_the_same_event() {
    for end in ["\n", "\r\n", "\r"] {
        let long = format!("data: {}{end}data: [DONE]{end}{end}", "x".repeat(LIMIT));
        for cut in (LIMIT + 4)..long.len() {
            let mut observer = events(Profile::OPENAI);
            let (before, after) = long.as_bytes().split_at(cut);
            let signs = [observer.data(before), observer.data(after)];
            assert!(signs.contains(&Sign::Content), "{end:?} {cut}");
            assert!(signs.contains(&Sign::Nothing), "{end:?} {cut}");
            assert_eq!(observer.data(DONE), Sign::Settled(Outcome::SUCCESS));
        }
    }
}

#[test]
fn it_may_have_been_the_last_but_of_a_chat() {
    let long = format!("data: {}\n\n", "x".repeat(LIMIT));
    let typed = b"data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hello\"}\n\n";
    let chat = b"data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
    for (stream, expected) in [
        ([&typed[..], long.as_bytes()], Outcome::SUCCESS),
        ([long.as_bytes(), &typed[..]], Outcome::TRUNCATED),
        ([&chat[..], long.as_bytes()], Outcome::TRUNCATED),
    ] {
        let mut observer = events(Profile::OPENAI);
        for event in stream {
            observer.data(event);
        }
        assert_eq!(observer.end(), expected);
    }
}

const DONE: &[u8] = b"data: [DONE]\n\n";
const STOP: &[u8] = b"data: {\"type\":\"message_stop\"}";
