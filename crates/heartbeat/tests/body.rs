//! What a reader sees of a stream with heartbeats in it. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use buttress_core::BoxError;
use buttress_heartbeat::{Form, HeartbeatBody, HeartbeatSseLayer};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use bytes::{Buf, Bytes};
use futures_util::future::join_all;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio::time::Instant;

const INTERVAL: Duration = Duration::from_secs(4);
const BLANK: &str = ": keepalive\n\n";
const LINE: &str = ": keepalive\n";

type Beating = HeartbeatBody<ScriptedBody>;

fn body(steps: impl IntoIterator<Item = Step>) -> Beating {
    HeartbeatBody::new(ScriptedBody::new(steps).conservative_end(), INTERVAL)
}

fn wait(intervals: f64) -> Step {
    Step::Wait(INTERVAL.mul_f64(intervals))
}

/// The frames of a body, and when each came, in intervals.
async fn timed(mut body: Beating) -> Vec<(String, f64)> {
    let start = Instant::now();
    let mut frames = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame.unwrap().into_data().unwrap_or_default();
        let text = String::from_utf8(data.to_vec()).unwrap();
        frames.push((text, start.elapsed().as_secs_f64() / INTERVAL.as_secs_f64()));
    }
    frames
}

async fn texts(body: Beating) -> Vec<String> {
    let frames = timed(body).await.into_iter();
    frames.map(|(text, _)| text).collect()
}

/// One poll, and what came of it.
async fn poll(body: &mut Beating) -> Poll<Option<String>> {
    let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await;
    polled.map(|frame| {
        let data = frame?.unwrap().into_data().unwrap_or_default();
        Some(String::from_utf8(data.to_vec()).unwrap())
    })
}

// ===== when =====

#[tokio::test(start_paused = true)]
async fn a_silent_stream_gets_a_heartbeat_per_interval() {
    let frames = timed(body([Step::data("data: a\n\n"), wait(3.5)])).await;
    let texts: Vec<_> = frames.iter().map(|(text, _)| text.as_str()).collect();
    assert_eq!(texts, ["data: a\n\n", BLANK, BLANK, BLANK]);
    for ((_, at), expected) in frames.iter().zip([0.0, 1.0, 2.0, 3.0]) {
        assert!((expected..expected + 0.01).contains(at), "{at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_heartbeat_is_never_early_and_at_most_a_quarter_late_whenever_bytes_came() {
    for hundredth in 0..100 {
        let broken = f64::from(hundredth) / 100.0;
        let steps = [wait(broken), Step::data(":\n\n"), wait(3.0)];
        let frames = timed(body(steps)).await;
        let (sent, beat) = (frames[0].1, frames[1].1);
        assert_eq!((&*frames[0].0, &*frames[1].0), (":\n\n", BLANK));
        assert!(
            (1.0..=1.26).contains(&(beat - sent)),
            "{broken}: {sent} {beat}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_flows_gets_none() {
    let steps = (0..100).flat_map(|_| [Step::data("data: a\n\n"), wait(0.9)]);
    assert_eq!(texts(body(steps)).await.len(), 100);
}

#[tokio::test(start_paused = true)]
async fn bytes_without_an_event_keep_the_connection_alive_as_well() {
    let steps = (0..20).flat_map(|_| [Step::data("x"), wait(0.9)]);
    let mut all = vec![Step::data("data: ")];
    all.extend(steps);
    all.push(Step::data("\n\n"));
    assert_eq!(texts(body(all)).await.concat().matches(LINE).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_frame_passes_and_is_no_sign_of_life() {
    let steps = [
        Step::data("data: a\n\n"),
        wait(0.9),
        Step::data(""),
        wait(0.2),
        Step::data("data: b\n\n"),
    ];
    let frames = texts(body(steps)).await;
    assert_eq!(frames, ["data: a\n\n", "", BLANK, "data: b\n\n"]);
}

#[tokio::test(start_paused = true)]
async fn the_interval_begins_when_somebody_waits_and_not_when_the_body_is_made() {
    let body = body([wait(1.5)]);
    tokio::time::advance(INTERVAL * 10).await;
    let frames = timed(body).await;
    assert_eq!(frames.len(), 1);
    assert!((1.0..1.01).contains(&frames[0].1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_pauses_finds_one_heartbeat_and_what_has_arrived_first() {
    let mut quiet = body([Step::data("data: a\n\n"), Step::Stall]);
    assert_eq!(
        poll(&mut quiet).await,
        Poll::Ready(Some("data: a\n\n".into()))
    );
    assert_eq!(poll(&mut quiet).await, Poll::Pending);
    tokio::time::advance(INTERVAL * 10).await;
    assert_eq!(poll(&mut quiet).await, Poll::Ready(Some(BLANK.into())));
    assert_eq!(poll(&mut quiet).await, Poll::Pending);

    let mut busy = body([wait(5.0), Step::data("data: a\n\n"), Step::data(":\n")]);
    assert_eq!(poll(&mut busy).await, Poll::Pending);
    tokio::time::advance(INTERVAL * 10).await;
    for expected in ["data: a\n\n", ":\n"] {
        assert_eq!(poll(&mut busy).await, Poll::Ready(Some(expected.into())));
    }
    assert_eq!(poll(&mut busy).await, Poll::Ready(None));
}

#[tokio::test(start_paused = true)]
async fn the_default_is_below_the_shortest_common_idle_limit() {
    let longest = HeartbeatSseLayer::INTERVAL.mul_f64(1.25);
    assert_eq!(HeartbeatSseLayer::INTERVAL, Duration::from_secs(15));
    assert!(longest < Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_zero_is_a_millisecond_and_an_endless_one_has_no_end() {
    let steps = || ScriptedBody::new([Step::Wait(Duration::from_millis(20))]).conservative_end();
    let hurried = HeartbeatBody::new(steps(), Duration::ZERO);
    assert!((5..=20).contains(&texts(hurried).await.len()));
    let calm = HeartbeatBody::new(steps(), Duration::MAX);
    assert!(texts(calm).await.is_empty());
}

// ===== where =====

#[tokio::test(start_paused = true)]
async fn a_heartbeat_that_is_due_in_the_middle_of_a_line_goes_out_behind_it() {
    let steps = [
        Step::data("data: a\n\nda"),
        wait(2.0),
        Step::data("ta: b\n\n"),
        wait(0.1),
        Step::data("data: c\n\n"),
    ];
    let frames = timed(body(steps)).await;
    let (texts, times): (Vec<_>, Vec<_>) = frames.into_iter().unzip();
    assert_eq!(texts, ["data: a\n\nda", "ta: b\n\n", BLANK, "data: c\n\n"]);
    assert!((times[2] - times[1]).abs() < 0.001, "at once");
}

#[tokio::test(start_paused = true)]
async fn what_flows_on_comes_before_a_heartbeat_that_is_due() {
    let steps = [
        Step::data("da"),
        wait(2.0),
        Step::data("ta: b\n\n"),
        Step::data("data: c\n\n"),
        Step::Pending,
        Step::data("data: d\n\n"),
    ];
    let frames = texts(body(steps)).await;
    assert_eq!(
        frames,
        ["da", "ta: b\n\n", "data: c\n\n", BLANK, "data: d\n\n"]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_out_behind_a_cr_until_the_next_byte_is_known() {
    let steps = [
        Step::data("data: a\r\n\r"),
        wait(3.0),
        Step::data("\ndata: b\r\n\r\n"),
        wait(1.5),
    ];
    let expected = ["data: a\r\n\r", "\ndata: b\r\n\r\n", BLANK, BLANK];
    assert_eq!(texts(body(steps)).await, expected);
}

#[tokio::test(start_paused = true)]
async fn before_its_first_byte_a_stream_gets_heartbeats_and_then_loses_its_byte_order_mark() {
    let steps = [
        wait(1.5),
        Step::data("\u{FEFF}data: a\n\n"),
        Step::data("\u{FEFF}"),
    ];
    let frames = texts(body(steps)).await;
    assert_eq!(frames, [BLANK, "data: a\n\n", "\u{FEFF}"]);
}

#[tokio::test(start_paused = true)]
async fn a_byte_order_mark_in_a_frame_of_its_own_is_no_empty_frame() {
    let steps = [wait(1.5), Step::data("\u{FEFF}"), Step::data("data: a\n\n")];
    let audited = audit(body(steps)).await;
    assert_eq!(audited.data, [BLANK, "data: a\n\n"]);
}

#[tokio::test(start_paused = true)]
async fn the_forms_are_written_as_they_say() {
    let stream = || {
        [
            Step::data("data: a\n"),
            wait(1.5),
            Step::data("\n"),
            wait(1.5),
            Step::data("id: 7\ndata: b\n\n"),
            wait(1.5),
        ]
    };
    let end = "id: 7\ndata: b\n\n";
    for (form, expected) in [
        (
            Form::Auto,
            ["data: a\n", LINE, "\n", BLANK, end, LINE].as_slice(),
        ),
        (Form::Line, &["data: a\n", LINE, "\n", LINE, end, LINE]),
        (Form::Blank, &["data: a\n", "\n", BLANK, BLANK, end, BLANK]),
    ] {
        let frames = texts(body(stream()).form(form)).await;
        assert_eq!(frames, expected, "{form:?}");
    }
}

/// FAILURES 34, P19: a decoder shared by several Python SDKs takes each blank line for an event once there
/// has been an id.
#[tokio::test(start_paused = true)]
async fn f34_p19_no_blank_line_is_put_in_once_the_stream_has_an_id() {
    let steps = [
        Step::data("data: a\n\n"),
        wait(1.5),
        Step::data("id: 1\ndata: {\"a\":1}\n\n"),
        wait(2.5),
        Step::data("data: {\"a\":2}\n\n"),
        wait(1.5),
    ];
    let frames = texts(body(steps)).await;
    let beats: Vec<_> = frames
        .iter()
        .filter(|frame| frame.starts_with(':'))
        .collect();
    assert_eq!(beats, [BLANK, LINE, LINE, LINE]);
}

/// FAILURES 34: a heartbeat that something wraps into an event, `data: : keepalive`, reaches the client.
#[tokio::test(start_paused = true)]
async fn f34_a_heartbeat_is_never_part_of_somebody_elses_line() {
    for cut in 0.."data: a\n\n".len() {
        let (begin, rest) = "data: a\n\n".split_at(cut);
        let steps = [Step::data(begin), wait(1.5), Step::data(rest)];
        let stream = texts(body(steps)).await.concat();
        let lines: Vec<_> = stream
            .lines()
            .filter(|line| line.contains("keepalive"))
            .collect();
        assert!(lines.iter().all(|line| *line == ": keepalive"), "{lines:?}");
    }
}

// ===== the ends =====

#[tokio::test(start_paused = true)]
async fn nothing_comes_behind_trailers_an_error_or_the_end() {
    for last in [
        Some(Step::trailer("x-sum", "7")),
        Some(Step::error("torn")),
        None,
    ] {
        let mut body = body([Step::data("data: a\n\n")].into_iter().chain(last));
        while !matches!(
            poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await,
            None | Some(Err(_))
        ) {}
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        for _ in 0..3 {
            tokio::time::advance(INTERVAL * 10).await;
            assert_eq!(poll(&mut body).await, Poll::Ready(None));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trailers_and_errors_pass_as_they_are() {
    let seen = audit(body([
        wait(1.5),
        Step::data("a"),
        Step::trailer("grpc-status", "0"),
    ]))
    .await;
    assert_eq!(seen.data, [BLANK, "a"]);
    assert_eq!(seen.trailers.unwrap()["grpc-status"], "0");

    let torn = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    let seen = audit(body([Step::data("a"), Step::Error(torn.into())])).await;
    let error: BoxError = seen.error.unwrap();
    assert!(error.downcast_ref::<std::io::Error>().is_some());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_inner_body_is_the_end_and_no_sooner() {
    let steps = || [wait(1.5), Step::data("data: a\n\n")];
    let mut body = HeartbeatBody::new(ScriptedBody::new(steps()), INTERVAL);
    for expected in [BLANK, "data: a\n\n"] {
        assert!(!body.is_end_stream());
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            expected
        );
    }
    assert!(body.is_end_stream(), "as the inner body says");
    assert!(
        audit(HeartbeatBody::new(ScriptedBody::new(steps()), INTERVAL))
            .await
            .announced_end
    );
}

/// FAILURES P20: a server cuts the body at the size that it was told, and calls it a success.
#[tokio::test(start_paused = true)]
async fn p20_no_size_is_told_where_bytes_may_be_added() {
    let hint = |body: &Beating| (body.size_hint().lower(), body.size_hint().upper());
    let steps = || {
        [
            Step::data("data: a\n\n"),
            wait(2.0),
            Step::data("data: b\n\n"),
        ]
    };
    let mut beating = HeartbeatBody::new(ScriptedBody::new(steps()), INTERVAL);
    // Three bytes may be a byte order mark's.
    assert_eq!(hint(&beating), (15, None));
    let _first = beating.frame().await;
    assert_eq!(hint(&beating), (9, None));
    assert_eq!(
        audit(beating).await.bytes(),
        [BLANK, "data: b\n\n"].concat()
    );

    let off = HeartbeatBody::off(ScriptedBody::new(steps()));
    assert_eq!(hint(&off), (18, Some(18)));
    assert_eq!(audit(off).await.data.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_body_without_heartbeats_is_left_alone() {
    let steps = [
        Step::data("data: a\n\n"),
        wait(10.0),
        Step::data(""),
        Step::trailer("a", "b"),
    ];
    let seen = audit(HeartbeatBody::off(ScriptedBody::new(steps))).await;
    assert_eq!(seen.data, ["data: a\n\n", ""]);
    assert!(seen.trailers.is_some());
}

#[tokio::test(start_paused = true)]
async fn dropping_it_drops_the_inner_body_at_once() {
    for polls in 0..4 {
        let inner = ScriptedBody::new([
            Step::data("da"),
            Step::Pending,
            Step::data("ta"),
            Step::Stall,
        ]);
        let handle = inner.handle();
        let mut body = HeartbeatBody::new(inner, INTERVAL);
        for _ in 0..polls {
            let _polled = poll(&mut body).await;
        }
        drop(body);
        assert!(handle.dropped());
    }
}

// ===== what it is made of =====

/// A chunk whose `chunk()` is shorter than what remains.
struct Chained(Option<(Bytes, Bytes)>);

impl Body for Chained {
    type Data = bytes::buf::Chain<Bytes, Bytes>;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.0.take() {
            Some((first, second)) => Poll::Ready(Some(Ok(Frame::data(first.chain(second))))),
            None => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_chunk_that_lies_in_two_places_is_followed_over_both() {
    for (first, second, beat) in [
        ("data: a\n\n", "dat", None),
        ("dat", "a: b\n\n", Some(BLANK)),
    ] {
        let inner = Chained(Some((first.into(), second.into())));
        let mut body = HeartbeatBody::new(inner, INTERVAL);
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, [first, second].concat());
        let next = tokio::time::timeout(INTERVAL * 2, body.frame()).await.ok();
        let next = next.map(|frame| frame.unwrap().unwrap().into_data().unwrap());
        assert_eq!(next.as_deref(), beat.map(str::as_bytes));
    }
}

#[tokio::test(start_paused = true)]
async fn two_hundred_streams_at_once_keep_apart() {
    let streams = (0..200_u32).map(|stream| async move {
        let steps = (0..20).flat_map(move |event| {
            let data = format!("id: {event}\ndata: {stream} {event}\n\n");
            let pause = f64::from((stream * 7 + event * 13) % 17) / 8.0;
            [Step::data(data), wait(pause)]
        });
        let seen = texts(body(steps)).await.concat();
        let data = seen.lines().filter_map(|line| line.strip_prefix("data: "));
        let expected: Vec<_> = (0..20).map(|event| format!("{stream} {event}")).collect();
        assert_eq!(data.collect::<Vec<_>>(), expected);
        seen.matches(LINE).count()
    });
    let mut beats = 0;
    for count in join_all(streams).await {
        assert!(count > 0);
        beats += count;
    }
    assert!(beats > 200 * 5);
}
