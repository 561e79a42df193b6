use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Wake;
use std::time::Duration;

use tokio::task::coop;
use tokio::time::advance;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn waker() -> (Waker, Arc<Woken>) {
    let woken = Arc::new(Woken::default());
    (Waker::from(Arc::clone(&woken)), woken)
}

fn poll(alarm: &mut Alarm, waker: &Waker) -> Poll<Instant> {
    alarm.poll(&mut Context::from_waker(waker))
}

#[tokio::test(start_paused = true)]
async fn it_rings_once_each_time_it_is_set() {
    let mut alarm = Alarm::new();
    for _ in 0..3 {
        let due = Instant::now() + SECOND;
        alarm.set(Some(due));
        assert_eq!(poll_fn(|cx| alarm.poll(cx)).await, due);
        assert_eq!(Instant::now(), due);
        advance(SECOND).await;
        assert!(poll(&mut alarm, Waker::noop()).is_pending());
    }
}

#[tokio::test(start_paused = true)]
async fn the_one_who_polled_last_is_woken_and_the_others_are_not() {
    let (mut alarm, (first, first_woken), (last, last_woken)) = (Alarm::new(), waker(), waker());
    alarm.set(Some(Instant::now() + SECOND));
    for waker in [&first, &first, &last, &last] {
        assert!(poll(&mut alarm, waker).is_pending());
    }
    advance(SECOND * 2).await;
    assert_eq!(first_woken.0.load(SeqCst), 0);
    assert_eq!(last_woken.0.load(SeqCst), 1);
    assert!(poll(&mut alarm, &last).is_ready());
}

#[tokio::test(start_paused = true)]
async fn set_again_after_it_has_rung_for_nobody_it_still_wakes() {
    let (mut alarm, (waker, woken)) = (Alarm::new(), waker());
    alarm.set(Some(Instant::now() + SECOND));
    assert!(poll(&mut alarm, &waker).is_pending());
    advance(SECOND * 2).await;
    // It has woken the task, which has not polled since; the waker is used up.
    assert_eq!(woken.0.load(SeqCst), 1);
    alarm.set(Some(Instant::now() + SECOND));
    assert!(poll(&mut alarm, &waker).is_pending());
    advance(SECOND * 2).await;
    assert_eq!(woken.0.load(SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_turned_away_for_its_budget_is_still_woken() {
    let mut alarm = Alarm::new();
    let start = Instant::now();
    alarm.set(Some(start + SECOND));
    let mut is_spent = false;
    let ring = poll_fn(|cx| {
        while !is_spent && has_budget_remaining() {
            // Each ready answer takes a bit of it.
            if let Poll::Ready(budget) = coop::poll_proceed(cx) {
                budget.made_progress();
            }
        }
        is_spent = true;
        alarm.poll(cx)
    });
    let ring = tokio::time::timeout(SECOND * 9, ring).await;
    assert_eq!(ring, Ok(start + SECOND));
}

#[tokio::test(start_paused = true)]
async fn not_set_it_stays_silent() {
    let mut alarm = Alarm::new();
    assert!(poll(&mut alarm, Waker::noop()).is_pending());
    alarm.set(None);
    assert!(alarm.0.is_none(), "nothing was made");
    alarm.set(Some(Instant::now()));
    alarm.set(None);
    assert_eq!(alarm.due(), None);
    advance(SECOND).await;
    assert!(poll(&mut alarm, Waker::noop()).is_pending());
}

#[test]
fn it_is_one_pointer_and_may_go_anywhere() {
    fn anywhere<T: Send + Sync + Unpin>(_: &T) {}
    anywhere(&Alarm::new());
    assert_eq!(size_of::<Alarm>(), size_of::<usize>());
}
