//! One body, many readers: each sees all of it, and the source is asked no more than it must be.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and readers are tasks of their own"
)]

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use buttress_body::{FellBehind, Patience, Shared, SharedBody, SharedError};
use buttress_core::{BoxError, Failure, Kind, find};
use buttress_testkit::body::{ScriptedBody, Step};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use proptest::prelude::*;
use tokio::time::sleep;

const WINDOW: usize = 8 << 20;
const SECOND: Duration = Duration::from_secs(1);

fn endless() -> Patience {
    Box::pin(pending())
}

fn five_seconds() -> Patience {
    Box::pin(sleep(Duration::from_secs(5)))
}

fn share(steps: impl IntoIterator<Item = Step>) -> Shared<ScriptedBody> {
    Shared::new(ScriptedBody::new(steps), WINDOW, endless)
}

/// Counts how often it is polled.
struct Counted<F>(F, usize);

impl<F: Future + Unpin> Future for Counted<F> {
    type Output = (F::Output, usize);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.1 += 1;
        let polls = self.1;
        Pin::new(&mut self.0).poll(cx).map(|output| (output, polls))
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn poll<B>(body: &mut SharedBody<B>, waker: &Waker) -> Polled
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    Pin::new(body).poll_frame(&mut Context::from_waker(waker))
}

fn data(polled: Polled) -> Bytes {
    match polled {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap(),
        other => panic!("{other:?} is no data"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_readers_cost_the_source_two_polls_a_frame_and_nobody_polls_in_vain() {
    const FRAMES: usize = 100;
    let steps = (0..FRAMES).flat_map(|n| {
        let frame = Step::data(format!("{n} "));
        [Step::Wait(Duration::from_millis(10)), frame]
    });
    let body = ScriptedBody::new(steps).conservative_end();
    let handle = body.handle();
    let shared = Shared::new(body, WINDOW, endless);
    let readers: Vec<_> = (0..1_000)
        .map(|_| tokio::spawn(Counted(shared.join().unwrap().collect(), 0)))
        .collect();
    let whole: String = (0..FRAMES).map(|n| format!("{n} ")).collect();
    for reader in readers {
        let (read, polls) = reader.await.unwrap();
        assert_eq!(read.unwrap().to_bytes(), whole);
        assert!(polls <= FRAMES + 2, "{polls} polls of one reader");
    }
    assert!(handle.polls() <= 2 * FRAMES + 2, "{}", handle.polls());
    assert!(handle.dropped());
    assert!(shared.is_complete());
}

#[tokio::test]
async fn trailers_and_the_end_reach_everybody() {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let shared = share([
        Step::data("a"),
        Step::Pending,
        Step::Trailers(trailers.clone()),
    ]);
    for _ in 0..3 {
        let read = shared.join().unwrap().collect().await.unwrap();
        assert_eq!(read.trailers(), Some(&trailers));
        assert_eq!(read.to_bytes(), "a");
    }
}

#[tokio::test]
async fn an_error_is_everybodys_with_its_source_and_comes_once() {
    let error = std::io::Error::other("the wire broke");
    let shared = share([Step::data("a"), Step::Error(error.into())]);
    for _ in 0..2 {
        let mut reader = shared.join().unwrap();
        assert_eq!(
            reader.frame().await.unwrap().unwrap().into_data().unwrap(),
            "a"
        );
        let error = reader.frame().await.unwrap().unwrap_err();
        assert!(error.is::<SharedError>());
        assert!(find::<std::io::Error>(&*error).is_some());
        assert!(reader.frame().await.is_none());
    }
    assert!(shared.is_ended() && !shared.is_complete());
}

#[test]
fn the_one_who_asks_may_leave_and_another_takes_over() {
    let shared = share([Step::Pending, Step::data("a")]);
    let (mut asks, mut waits) = (shared.join().unwrap(), shared.join().unwrap());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(poll(&mut waits, &waker).is_pending());
    let before = woken.0.load(SeqCst);
    assert!(
        before > 0,
        "the source has woken at once, and everybody heard it"
    );
    assert_eq!(data(poll(&mut asks, Waker::noop())), "a");
    drop(asks);
    assert_eq!(data(poll(&mut waits, &waker)), "a");
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// Does at each poll whatever the test wants.
struct Does(Box<dyn FnMut(&mut Context<'_>) -> Polled + Send>);

impl Body for Does {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        (self.0)(cx)
    }
}

#[test]
fn the_last_to_leave_cancels_the_upstream() {
    let body = ScriptedBody::new([Step::Stall]);
    let handle = body.handle();
    let shared = Shared::new(body, WINDOW, endless);
    let weak = shared.downgrade();
    let mut reader = shared.join().unwrap();
    assert!(poll(&mut reader, Waker::noop()).is_pending());
    drop(shared);
    assert!(!handle.dropped());
    assert!(weak.upgrade().is_some());
    drop(reader);
    assert!(handle.dropped());
    assert!(weak.upgrade().is_none());
}

/// Keeps its waker, as a connection does.
struct KeepsWaker {
    kept: Option<Waker>,
    _alive: Arc<()>,
}

impl Body for KeepsWaker {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        self.kept = Some(cx.waker().clone());
        Poll::Pending
    }
}

#[test]
fn a_source_that_keeps_its_waker_does_not_keep_itself_alive() {
    let alive = Arc::new(());
    let body = KeepsWaker {
        kept: None,
        _alive: Arc::clone(&alive),
    };
    let shared = Shared::new(body, WINDOW, endless);
    let mut reader = shared.join().unwrap();
    assert!(poll(&mut reader, Waker::noop()).is_pending());
    drop((shared, reader));
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn whoever_comes_late_gets_everything_and_whoever_comes_too_late_is_told() {
    let shared = Shared::new(
        ScriptedBody::new([Step::data(vec![b'a'; 600]), Step::data(vec![b'b'; 600])]),
        1_000,
        endless,
    );
    let mut first = shared.join().unwrap();
    assert_eq!(data(poll(&mut first, Waker::noop())).len(), 600);
    let mut late = shared.join().unwrap();
    assert_eq!(data(poll(&mut late, Waker::noop())), vec![b'a'; 600]);
    assert_eq!(data(poll(&mut first, Waker::noop())), vec![b'b'; 600]);
    assert!(shared.join().is_none());
    assert_eq!(data(poll(&mut late, Waker::noop())), vec![b'b'; 600]);
    assert_eq!(shared.held_bytes(), 0);
    assert!(
        !shared.is_complete(),
        "it cannot be given to anybody any more"
    );
}

#[tokio::test(start_paused = true)]
async fn who_stays_far_behind_is_given_up_and_the_others_go_on() {
    let frames = (0..50).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let mut paused = shared.join().unwrap();
    let started = tokio::time::Instant::now();
    let read = shared.join().unwrap().collect().await.unwrap().to_bytes();
    assert_eq!(read.len(), 5_000);
    assert_eq!(started.elapsed().as_secs(), 5, "waited for once");
    assert!(shared.held_bytes() <= 1_100, "{}", shared.held_bytes());

    let error = paused.frame().await.unwrap().unwrap_err();
    assert_eq!(find::<FellBehind>(&*error).unwrap().max_bytes(), 1_000);
    let failure = find::<Failure>(&*error).unwrap();
    assert_eq!(failure.outcome().kind, Kind::Abandoned);
    assert!(paused.frame().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn who_pauses_for_less_than_the_patience_loses_nothing() {
    let frames = (0..50).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let mut slow = shared.join().unwrap();
    let fast = tokio::spawn(shared.join().unwrap().collect());
    let mut bytes = 0;
    for n in 0..50 {
        if n % 12 == 0 {
            sleep(Duration::from_secs(4)).await;
        }
        bytes += slow
            .frame()
            .await
            .unwrap()
            .unwrap()
            .into_data()
            .unwrap()
            .len();
    }
    assert_eq!(bytes, 5_000);
    assert_eq!(fast.await.unwrap().unwrap().to_bytes().len(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn who_is_far_behind_but_holds_nobody_back_is_left_alone() {
    let frames = (0..50).flat_map(|_| [Step::Wait(SECOND), Step::data(vec![b'x'; 100])]);
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let mut slow = shared.join().unwrap();
    let fast = tokio::spawn(shared.join().unwrap().collect());
    sleep(SECOND * 7).await; // seven frames behind from here on, and never more
    let mut bytes = 0;
    while let Some(frame) = slow.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
        sleep(SECOND).await;
    }
    assert_eq!(bytes, 5_000);
    assert_eq!(fast.await.unwrap().unwrap().to_bytes().len(), 5_000);
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_and_alone_holds_nobody_back_though_somebody_finishes_it() {
    let frames = (0..50).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let finishing = tokio::spawn(shared.finish());
    let mut slow = shared.join().unwrap();
    let mut bytes = 0;
    while let Some(frame) = slow.frame().await {
        bytes += frame.unwrap().into_data().unwrap().len();
        assert!(shared.held_bytes() <= 1_100, "{}", shared.held_bytes());
        sleep(SECOND).await;
    }
    assert_eq!(bytes, 5_000);
    finishing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn patience_begins_when_somebody_has_caught_up() {
    let frames = (0..50).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let finishing = tokio::spawn(shared.finish());
    let (mut stopped, late) = (shared.join().unwrap(), shared.join().unwrap());
    sleep(SECOND * 60).await;
    assert!(!finishing.is_finished());
    let started = tokio::time::Instant::now();
    assert_eq!(late.collect().await.unwrap().to_bytes().len(), 5_000);
    assert_eq!(started.elapsed().as_secs(), 5);
    let error = stopped.frame().await.unwrap().unwrap_err();
    assert!(find::<FellBehind>(&*error).is_some());
}

#[tokio::test(start_paused = true)]
async fn patience_is_with_the_one_who_holds_back_and_not_with_whoever_is_behind_at_its_end() {
    let frames = (0..100).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, five_seconds);
    let [mut one, mut other] = [(); 2].map(|()| shared.join().unwrap());
    let fast = tokio::spawn(shared.join().unwrap().collect());
    let read = async |reader: &mut SharedBody<_>, frames: usize| {
        for _ in 0..frames {
            reader.frame().await.unwrap().unwrap();
        }
    };
    read(&mut other, 8).await;
    sleep(SECOND).await; // the first one has held the others back since the start
    sleep(Duration::from_millis(3_900)).await;
    read(&mut one, 8).await; // now the second one is as far behind as it
    sleep(SECOND).await;
    read(&mut other, 1).await;
    read(&mut one, 1).await;
    drop((one, other));
    assert_eq!(fast.await.unwrap().unwrap().to_bytes().len(), 10_000);
}

#[tokio::test(start_paused = true)]
async fn who_holds_the_others_back_and_leaves_lets_them_go_on_at_once() {
    let frames = (0..50).map(|_| Step::data(vec![b'x'; 100]));
    let shared = Shared::new(ScriptedBody::new(frames), 1_000, endless);
    let paused = shared.join().unwrap();
    let fast = tokio::spawn(shared.join().unwrap().collect());
    sleep(SECOND).await;
    assert!(!fast.is_finished());
    drop(paused);
    let read = tokio::time::timeout(SECOND, fast)
        .await
        .expect("it was woken");
    assert_eq!(read.unwrap().unwrap().to_bytes().len(), 5_000);
}

#[test]
fn who_looked_while_another_asked_is_woken_if_the_source_was_rung_for_meanwhile() {
    let other: Arc<Mutex<Option<SharedBody<Does>>>> = Arc::default();
    let woken = Arc::new(Woken::default());
    let (its, waker) = (Arc::clone(&other), Waker::from(Arc::clone(&woken)));
    let mut asked = 0;
    let shared = Shared::new(
        Does(Box::new(move |cx| {
            asked += 1;
            if asked > 1 {
                return Poll::Ready(Some(Ok(Frame::data(Bytes::from("a")))));
            }
            cx.waker().wake_by_ref();
            if let Some(other) = &mut *its.lock().unwrap() {
                assert!(poll(other, &waker).is_pending());
            }
            Poll::Pending
        })),
        WINDOW,
        endless,
    );
    *other.lock().unwrap() = shared.join();
    let mut one = shared.join().unwrap();
    // Its task is woken too, and may do something else all the same.
    assert!(poll(&mut one, Waker::noop()).is_pending());
    assert_eq!(woken.0.load(SeqCst), 1);
    let mut other = other.lock().unwrap().take().unwrap();
    assert_eq!(data(poll(&mut other, Waker::noop())), "a");
}

#[test]
fn a_source_that_always_has_nothing_lets_others_have_their_turn() {
    let ready = || {
        let nothing = Does(Box::new(|_| {
            Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
        }));
        Shared::new(nothing, WINDOW, endless)
    };
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(poll(&mut ready().join().unwrap(), &waker).is_pending());
    assert!(woken.0.load(SeqCst) > 0, "and goes on");
    let mut finish = ready().finish();
    let polled = Pin::new(&mut finish).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending());
}

#[tokio::test]
async fn it_is_finished_for_nobody_in_particular() {
    let shared = share([Step::data("a"), Step::Pending, Step::data("b")]);
    drop(shared.join());
    shared.finish().await;
    assert!(shared.is_complete());
    let read = shared.join().unwrap().collect().await.unwrap();
    assert_eq!(read.to_bytes(), "ab");
}

struct Panics;

impl Body for Panics {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Polled {
        panic!("as it was told to")
    }
}

#[tokio::test]
async fn a_panic_under_one_reader_is_an_error_to_the_others() {
    let shared = Shared::new(Panics, WINDOW, endless);
    let (one, other) = (shared.join().unwrap(), shared.join().unwrap());
    let panicked = tokio::spawn(one.collect()).await;
    assert!(panicked.unwrap_err().is_panic());
    let error = other.collect().await.unwrap_err();
    assert!(error.is::<SharedError>());
    assert!(shared.is_ended() && !shared.is_complete());
}

/// Once woken it looks, from a thread of its own, before anything else happens.
struct Hasty<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for Hasty<F> {
    fn wake(self: Arc<Self>) {
        std::thread::spawn(move || (self.0)()).join().unwrap();
    }
}

/// Panics, but only after somebody else has looked.
struct PanicsAfter<F>(F);

impl<F: Fn() + Send + Sync + Unpin> Body for PanicsAfter<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        std::thread::scope(|scope| scope.spawn(|| (self.0)()).join().unwrap());
        panic!("as it was told to")
    }
}

#[test]
fn a_reader_learns_of_a_panic_however_quick_it_is() {
    let hasty: Arc<OnceLock<Mutex<SharedBody<_>>>> = Arc::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look: Arc<dyn Fn(&Waker) + Send + Sync> = {
        let (hasty, seen) = (Arc::clone(&hasty), Arc::clone(&seen));
        Arc::new(move |waker| {
            let mut reader = hasty.get().unwrap().lock().unwrap();
            let polled = Pin::new(&mut *reader).poll_frame(&mut Context::from_waker(waker));
            seen.lock()
                .unwrap()
                .push(polled.map(|frame| frame.unwrap().is_err()));
        })
    };
    let woken = {
        let look = Arc::clone(&look);
        Waker::from(Arc::new(Hasty(move || look(Waker::noop()))))
    };
    let source: Box<dyn Fn() + Send + Sync> = Box::new(move || look(&woken));
    let shared = Shared::new(PanicsAfter(source), 1000, || Box::pin(pending()));
    let mut one = shared.join().unwrap();
    assert!(hasty.set(Mutex::new(shared.join().unwrap())).is_ok());

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Pin::new(&mut one).poll_frame(&mut Context::from_waker(Waker::noop()))
    }));
    assert!(panicked.is_err());
    assert_eq!(*seen.lock().unwrap(), [Poll::Pending, Poll::Ready(true)]);
}

#[tokio::test]
async fn sizes_and_ends_are_those_of_the_body() {
    let shared = share([Step::data("abc"), Step::data("de")]);
    let mut reader = shared.join().unwrap();
    assert_eq!(reader.size_hint().exact(), Some(5));
    assert!(!reader.is_end_stream());
    reader.frame().await;
    assert_eq!(reader.size_hint().exact(), Some(2));
    reader.frame().await;
    assert!(reader.is_end_stream(), "hyper polls no further");
    assert_eq!(shared.join().unwrap().size_hint().exact(), Some(5));
    assert_eq!(SizeHint::with_exact(0).exact(), reader.size_hint().exact());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn readers_on_many_threads_miss_nothing() {
    for round in 0..50 {
        let steps = (0..200).flat_map(|n| [Step::Pending, Step::data(format!("{n},"))]);
        let shared = share(steps);
        let readers: Vec<_> = (0..16)
            .map(|_| tokio::spawn(shared.join().unwrap().collect()))
            .collect();
        let whole: String = (0..200).map(|n| format!("{n},")).collect();
        for reader in readers {
            let read = tokio::time::timeout(Duration::from_secs(60), reader).await;
            let read = read.unwrap_or_else(|_| panic!("a reader of round {round} was forgotten"));
            assert_eq!(read.unwrap().unwrap().to_bytes(), whole);
        }
    }
}

proptest! {
    /// Whoever reads when, all read the same, and no more is kept than the window and one chunk.
    #[test]
    fn any_order_of_reading_is_the_same_to_all(
        sizes in proptest::collection::vec(0_usize..300, 1..40),
        turns in proptest::collection::vec(0_usize..4, 0..400),
    ) {
        let whole: usize = sizes.iter().sum();
        let steps = sizes.iter().map(|size| Step::data(vec![b'x'; *size]));
        let shared = Shared::new(ScriptedBody::new(steps), 2_000, endless);
        let mut readers: Vec<_> = (0..4).map(|_| shared.join().unwrap()).collect();
        let mut bytes = [0; 4];
        // After the drawn turns everybody reads in rotation until nobody gets anything more.
        let rest = (0..4).cycle().take(4 * 400);
        for turn in turns.into_iter().chain(rest) {
            if let Poll::Ready(Some(frame)) = poll(&mut readers[turn], Waker::noop()) {
                bytes[turn] += frame.unwrap().into_data().unwrap().len();
            }
            prop_assert!(shared.held_bytes() <= 2_000 + 300 || shared.join().is_some());
        }
        prop_assert_eq!(bytes, [whole; 4]);
    }
}

#[test]
fn it_is_send_and_sync_and_unpin() {
    fn all<T: Send + Sync + Unpin>(_: &T) {}
    let shared = share([]);
    all(&shared);
    all(&shared.join().unwrap());
    all(&shared.finish());
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_something_else_drives_the_body_and_reads_nothing() {
    let shared = share([
        Step::Wait(Duration::from_millis(10)),
        Step::data("a"),
        Step::Wait(Duration::from_millis(10)),
        Step::data("b"),
    ]);
    let mut reader = shared.join().unwrap();
    let looked = || (shared.held_bytes() > 64).then_some("both");
    let found = std::future::poll_fn(|cx| reader.poll_until(cx, looked)).await;
    assert_eq!(found, Some("both"));
    let none = std::future::poll_fn(|cx| reader.poll_until(cx, || None::<()>)).await;
    assert_eq!(none, None, "it has ended");
    assert_eq!(reader.collect().await.unwrap().to_bytes(), "ab");
}
