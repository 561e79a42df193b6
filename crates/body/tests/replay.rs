//! What a replayed body does, whatever its source and its reader do.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use buttress_body::{Replay, ReplayBody, ReplayPool, Superseded};
use buttress_core::{BoxError, find};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::Full;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use tokio_test::{assert_pending, task};

const CAP: usize = 64 * 1024;

fn pool() -> ReplayPool {
    ReplayPool::new(CAP)
}

fn replay(source: ScriptedBody) -> (Replay<ScriptedBody>, ReplayBody<ScriptedBody>) {
    Replay::new(source, CAP, &pool())
}

async fn next<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

async fn chunk(body: &mut ReplayBody<ScriptedBody>) -> Bytes {
    next(body).await.unwrap().unwrap().into_data().unwrap()
}

fn hello() -> ScriptedBody {
    ScriptedBody::new([
        Step::data("he"),
        Step::Pending,
        Step::data("llo"),
        Step::trailer("x-sum", "7"),
    ])
}

#[tokio::test]
async fn every_attempt_gets_the_whole_body_with_its_trailers() {
    let (replay, first) = replay(hello());
    let mut attempt = first;
    for _ in 0..3 {
        let seen = audit(attempt).await;
        assert_eq!(seen.bytes(), "hello");
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
        attempt = replay.again().unwrap();
    }
}

#[tokio::test]
async fn a_later_attempt_replays_the_record_and_reads_on_from_the_source() {
    let (replay, mut first) = replay(hello());
    assert_eq!(chunk(&mut first).await, "he");
    let seen = audit(replay.again().unwrap()).await;
    assert_eq!(seen.data, ["he", "llo"]);
}

#[tokio::test]
async fn an_older_attempt_loses_the_source_at_once_and_is_woken_to_learn_it() {
    let (replay, first) = replay(ScriptedBody::new([Step::data("he"), Step::Stall]));
    let mut upload = task::spawn(async move {
        let mut first = first;
        chunk(&mut first).await;
        next(&mut first).await
    });
    assert_pending!(upload.poll());

    let _second = replay.again().unwrap();
    assert!(upload.is_woken());
    let Poll::Ready(Some(Err(error))) = upload.poll() else {
        panic!("the older attempt still reads");
    };
    assert!(find::<Superseded>(&*error).is_some());
}

#[tokio::test]
async fn p14_an_attempt_first_polled_while_the_record_is_empty_yields_nothing_twice() {
    let (replay, mut first) = replay(hello());
    let mut second = replay.again().unwrap();
    // The older one is polled while there is nothing recorded yet.
    assert!(next(&mut first).await.unwrap().is_err());
    assert_eq!(chunk(&mut second).await, "he");
    let third = replay.again().unwrap();
    assert_eq!(audit(third).await.bytes(), "hello");
}

#[tokio::test]
async fn f31_over_the_cap_recording_stops_memory_is_freed_and_the_attempt_goes_on() {
    let pool = pool();
    let big = vec![7_u8; CAP];
    let source = ScriptedBody::new([
        Step::data(vec![1; 100]),
        Step::data(big.clone()),
        Step::data("end"),
    ]);
    let (replay, mut first) = Replay::new(source.unknown_size(), CAP, &pool);
    chunk(&mut first).await;
    assert_eq!(pool.used(), 100);
    chunk(&mut first).await;
    assert_eq!(pool.used(), 0, "given up, and so freed");
    assert_eq!(chunk(&mut first).await, "end");
    assert!(next(&mut first).await.is_none());
    assert!(replay.again().is_none());
}

#[tokio::test]
async fn a_body_of_exactly_the_cap_is_replayed() {
    let body = vec![7_u8; CAP];
    let (replay, first) = Replay::new(Full::new(Bytes::from(body.clone())), CAP, &pool());
    assert_eq!(audit(first).await.bytes(), body);
    assert_eq!(audit(replay.again().unwrap()).await.bytes(), body);
}

#[tokio::test]
async fn all_bodies_together_keep_no_more_than_the_pool() {
    let pool = ReplayPool::new(1_000);
    let make = || Replay::new(ScriptedBody::full(vec![0; 600]), CAP, &pool);
    let (one, first) = make();
    let (two, second) = make();
    assert_eq!(audit(first).await.bytes().len(), 600);
    assert_eq!(audit(second).await.bytes().len(), 600);
    assert!(one.again().is_some());
    assert!(two.again().is_none(), "the pool had no room for a second");
    drop(one);
    assert_eq!(pool.used(), 0);
}

#[tokio::test]
async fn a_flood_of_tiny_chunks_counts_for_what_it_really_holds() {
    let pool = pool();
    let steps = (0..2_000).map(|_| Step::data("x"));
    let (replay, first) = Replay::new(ScriptedBody::new(steps), CAP, &pool);
    assert_eq!(audit(first).await.bytes().len(), 2_000);
    assert!(
        replay.again().is_none(),
        "2,000 chunks are more than 64 KiB"
    );
}

#[tokio::test]
async fn a_commit_frees_the_record_while_the_attempt_reads_on() {
    let pool = pool();
    let source = ScriptedBody::new([Step::data("he"), Step::data("llo"), Step::data("!")]);
    let (replay, mut first) = Replay::new(source, CAP, &pool);
    chunk(&mut first).await;
    chunk(&mut first).await;
    let mut second = replay.again().unwrap();
    assert_eq!(chunk(&mut second).await, "he");
    assert_eq!(pool.used(), 2 * 64);
    drop(replay);
    assert_eq!(
        pool.used(),
        64,
        "what is still to be sent stays on the bill"
    );
    assert_eq!(chunk(&mut second).await, "llo");
    assert_eq!(pool.used(), 0);
    assert_eq!(audit(second).await.data, ["!"]);
}

#[tokio::test]
async fn f31_of_a_body_that_is_known_to_be_too_long_nothing_is_kept() {
    let pool = pool();
    let source = ScriptedBody::new([Step::data("he"), Step::data(vec![7; CAP])]);
    let (replay, first) = Replay::new(source, CAP, &pool);
    drop(first);
    // A refused connection has read nothing of it.
    let mut second = replay.again().unwrap();
    assert_eq!(chunk(&mut second).await, "he");
    assert_eq!(pool.used(), 0);
    assert!(replay.again().is_none());
    assert_eq!(audit(second).await.bytes().len(), CAP);
}

#[tokio::test]
async fn trailers_count_and_too_many_of_them_are_not_kept() {
    let mut many = http::HeaderMap::new();
    for n in 0..1_000_u16 {
        let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
        many.insert(name, http::HeaderValue::from_static("value"));
    }
    let (replay, first) = replay(ScriptedBody::new([Step::Trailers(many)]));
    assert_eq!(audit(first).await.trailers.unwrap().len(), 1_000);
    assert!(replay.again().is_none());
}

#[tokio::test]
async fn a_source_that_failed_cannot_be_replayed() {
    let (replay, first) = replay(ScriptedBody::new([Step::data("he"), Step::error("torn")]));
    let seen = audit(first).await;
    assert_eq!(seen.error.unwrap().to_string(), "torn");
    assert!(replay.again().is_none());
}

#[tokio::test]
async fn the_size_is_told_truthfully_at_every_point() {
    let (replay, mut first) = replay(hello());
    assert_eq!(first.size_hint().exact(), Some(5));
    chunk(&mut first).await;
    assert_eq!(first.size_hint().exact(), Some(3));
    // `audit` checks the bounds before each frame.
    let second = replay.again().unwrap();
    assert_eq!(second.size_hint().exact(), Some(5));
    audit(second).await;
    assert_eq!(replay.again().unwrap().size_hint().exact(), Some(5));
}

#[tokio::test]
async fn the_end_is_announced_where_the_source_announces_it() {
    let (replay, mut first) = replay(ScriptedBody::full("all"));
    assert!(!first.is_end_stream());
    chunk(&mut first).await;
    assert!(first.is_end_stream());
    let mut second = replay.again().unwrap();
    assert!(!second.is_end_stream());
    assert_eq!(chunk(&mut second).await, "all");
    assert!(second.is_end_stream());
}

#[tokio::test]
async fn a_body_in_memory_is_one_frame_of_known_size() {
    let whole: ReplayBody<ScriptedBody> = ReplayBody::whole(Bytes::from_static(b"hello"));
    assert_eq!(whole.size_hint().exact(), Some(5));
    let seen = audit(whole).await;
    assert_eq!(seen.data, ["hello"]);

    let nothing: ReplayBody<ScriptedBody> = ReplayBody::whole(Bytes::new());
    assert!(nothing.is_end_stream());
    assert_eq!(nothing.size_hint().exact(), Some(0));
}

#[tokio::test]
async fn a_body_sent_once_passes_untouched() {
    let handle = {
        let source = hello();
        let handle = source.handle();
        let once = ReplayBody::once(source);
        assert_eq!(once.size_hint().exact(), Some(5));
        let seen = audit(once).await;
        assert_eq!(seen.data, ["he", "llo"]);
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
        handle
    };
    assert!(handle.dropped());
    assert!(ReplayBody::<ScriptedBody>::empty().is_end_stream());
}

#[tokio::test]
async fn dropping_attempt_and_keeper_drops_the_source() {
    let source = hello();
    let handle = source.handle();
    let (replay, first) = replay(source);
    drop(first);
    assert!(!handle.dropped(), "a later attempt may want it");
    drop(replay);
    assert!(handle.dropped());
}

#[test]
fn a_replayed_body_can_be_shared_even_if_its_source_cannot() {
    fn assert_sync<T: Send + Sync + Unpin>() {}
    struct NotSync(std::cell::Cell<u8>);
    impl Body for NotSync {
        type Data = Bytes;
        type Error = BoxError;
        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            self.0.set(1);
            Poll::Ready(None)
        }
    }
    assert_sync::<ReplayBody<NotSync>>();
    assert_sync::<Replay<NotSync>>();
}

#[test]
fn the_superseded_error_reads_alone() {
    let error: Box<dyn Error> = Box::new(task_error());
    assert_eq!(
        error.to_string(),
        "a newer attempt has taken over this request body"
    );
}

fn task_error() -> Superseded {
    let (replay, first) = replay(hello());
    let _second = replay.again().unwrap();
    let mut read = task::spawn(async move {
        let mut first = first;
        next(&mut first).await
    });
    let Poll::Ready(Some(Err(error))) = read.poll() else {
        panic!("still reads");
    };
    *find::<Superseded>(&*error).unwrap()
}

proptest! {
    /// Attempts that stop anywhere, over chunks cut anywhere: the last one gets every byte once.
    #[test]
    fn whatever_was_read_before_the_last_attempt_gets_every_byte_once(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
        stops in prop::collection::vec(0_usize..25, 0..6),
        trailers in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut steps = Vec::new();
            for data in &chunks {
                steps.push(Step::Pending);
                steps.push(Step::data(data.clone()));
            }
            if trailers {
                steps.push(Step::trailer("x-sum", "7"));
            }
            let (replay, mut body) = Replay::new(ScriptedBody::new(steps), CAP, &pool());
            for stop in stops {
                for _ in 0..stop {
                    if next(&mut body).await.is_none() {
                        break;
                    }
                }
                body = replay.again().unwrap();
            }
            let seen = audit(body).await;
            prop_assert_eq!(seen.bytes(), chunks.concat());
            prop_assert_eq!(seen.trailers.is_some(), trailers);
            Ok(())
        })?;
    }
}
