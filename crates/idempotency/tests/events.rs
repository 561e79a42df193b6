//! The events of the layer, whose names and fields are part of its API. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and an executor spawns"
)]

mod kit;

use std::time::Duration;

use buttress_classify::Profile;
use buttress_idempotency::{Duplicates, IdempotencyLayer, MemoryStore};
use buttress_testkit::body::Step;
use buttress_testkit::events::Lines;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::{sleep, timeout};
use tower::Layer;

use kit::{Answer, Upstream, ask, by};

const MILLISECOND: Duration = Duration::from_millis(1);

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP)
}

/// Nothing of this is for a log.
fn secret() -> Request<Full<Bytes>> {
    let mut request = by("Bearer secret", "secret", "a secret");
    *request.uri_mut() = "/v1/messages?key=secret".parse().unwrap();
    request
}

/// Answers after ten milliseconds, and takes as long for the body.
fn slow() -> Upstream {
    let steps = || [Step::data("a secret"), Step::Wait(MILLISECOND * 10)];
    Upstream::new(move |_| Answer::new(steps()).after(10))
}

/// What is said, with all calls named alike: their names are those of this process only.
fn take(lines: &Lines) -> Vec<String> {
    let anonymous = |line: String| {
        assert!(!line.contains("secret"), "{line}");
        let Some((before, call)) = line.split_once(" call=") else {
            return line;
        };
        let (name, after) = call.split_at(8);
        assert!(name.bytes().all(|digit| digit.is_ascii_hexdigit()));
        format!("{before} call=#{after}")
    };
    lines.take().into_iter().map(anonymous).collect()
}

/// What is said of one request after another.
async fn said<const N: usize>(
    layer: IdempotencyLayer,
    upstream: Upstream,
    requests: [Request<Full<Bytes>>; N],
) -> Vec<String> {
    let lines = Lines::of("buttress::idempotency");
    let service = layer.layer(upstream.service());
    for request in requests {
        drop(ask(&service, request).await);
    }
    take(&lines)
}

#[tokio::test(start_paused = true)]
async fn a_call_is_kept_and_its_duplicates_join_it_or_get_the_replay() {
    let lines = Lines::of("buttress::idempotency");
    let service = layer().layer(slow().service());
    let (one, two) = tokio::join!(ask(&service, secret()), ask(&service, secret()));
    assert_eq!(one.unwrap().1, two.unwrap().1);
    assert_eq!(
        take(&lines),
        [
            "DEBUG message=joined call=#",
            "DEBUG message=kept call=# bytes=8"
        ]
    );
    ask(&service, secret()).await.unwrap();
    assert_eq!(take(&lines), ["DEBUG message=replayed call=#"]);
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_released() {
    const RELEASED: &str = "DEBUG message=released call=#";
    for answer in [
        Answer::status(500, "a secret"),
        Answer::error("a secret"),
        Answer::new([Step::data("a"), Step::error("a secret")]),
    ] {
        let upstream = Upstream::in_turn([answer]);
        assert_eq!(said(layer(), upstream, [secret()]).await, [RELEASED]);
    }
    let hasty = layer().max_run(MILLISECOND);
    assert_eq!(said(hasty, slow(), [secret()]).await, [RELEASED]);
}

#[tokio::test(start_paused = true)]
async fn each_refusal_says_why() {
    let refused = |reason| [format!("DEBUG message=refused reason=\"{reason}\"")];
    let saying = || Upstream::saying("a secret");

    let mut none = secret();
    none.headers_mut().remove("idempotency-key");
    let required = layer().required(true);
    assert_eq!(said(required, saying(), [none]).await, refused("no key"));
    let bad = || by("Bearer secret", "\"secret", "a secret");
    let malformed = said(layer(), saying(), [bad()]).await;
    assert_eq!(malformed, refused("a malformed key"));

    let other = || secret().map(|_| Full::from("another secret"));
    let reused = said(layer(), saying(), [secret(), other()]).await;
    assert_eq!(reused.last(), refused("another payload").last());

    let lines = Lines::of("buttress::idempotency");
    let refuses = layer().duplicates(Duplicates::Refuse);
    let service = refuses.layer(slow().service());
    let (_, refusal) = tokio::join!(ask(&service, secret()), ask(&service, secret()));
    assert!(refusal.is_err());
    assert_eq!(take(&lines).first(), refused("in flight").first());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_all_have_left_is_an_orphan_and_whether_somebody_drives_it_is_said() {
    let spawn = |call| drop(tokio::spawn(call));
    for (layer, after) in [
        (layer(), "driven=false"),
        (layer().executor(spawn), "driven=true"),
    ] {
        let lines = Lines::of("buttress::idempotency");
        let service = layer.layer(slow().service());
        let left = timeout(MILLISECOND * 5, ask(&service, secret())).await;
        assert!(left.is_err());
        let orphaned = format!("DEBUG message=orphaned call=# {after}");
        assert_eq!(take(&lines), [orphaned]);
        sleep(MILLISECOND * 50).await;
        let end = take(&lines);
        match after {
            "driven=true" => assert_eq!(end, ["DEBUG message=kept call=# bytes=8"]),
            _ => assert_eq!(end, [""; 0]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_duplicate_would_cost_again_is_a_warning() {
    let warned = |line: &str, reason| {
        let begin = "WARN message=not kept call=# reason=";
        assert!(line.starts_with(begin) && line.contains(reason), "{line}");
    };
    let short = layer().max_body(3);
    let too_long = said(short, Upstream::saying("a secret"), [secret()]).await;
    assert_eq!(too_long.len(), 1);
    warned(&too_long[0], "too long");

    let full = layer().store(MemoryStore::new().max_entries(0));
    let no_room = said(full, Upstream::saying("a secret"), [secret()]).await;
    assert_eq!(no_room.len(), 1);
    warned(&no_room[0], "");
}

#[tokio::test(start_paused = true)]
async fn of_what_is_not_deduplicated_there_is_little_to_say() {
    let mut nobodys = by("", "secret", "a secret");
    nobodys.headers_mut().remove("authorization");
    let unscoped = said(layer(), Upstream::saying("a"), [nobodys]).await;
    assert_eq!(unscoped, ["DEBUG message=no scope"]);

    let mut plain = secret();
    plain.headers_mut().remove("idempotency-key");
    let said = said(layer(), Upstream::saying("a"), [plain]).await;
    assert_eq!(said, [""; 0]);
}
