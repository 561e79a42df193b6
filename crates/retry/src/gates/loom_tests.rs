//! Every interleaving of two threads: `RUSTFLAGS="--cfg buttress_loom" cargo test -p buttress-retry --lib --release`.

use loom::sync::Arc;
use loom::thread;

use super::{Concurrency, History};

#[test]
fn two_calls_never_share_the_last_slot() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        let slots = [gate.calls(0), gate.calls(1)];
        let calls: Vec<_> = slots
            .into_iter()
            .map(|calls| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    calls.enter();
                    let retries = gate.try_retry(|_| 1);
                    if retries {
                        assert_eq!(gate.retries(), 1);
                        gate.retry_ended();
                    }
                    calls.leave();
                })
            })
            .collect();
        for call in calls {
            call.join().unwrap();
        }
        assert_eq!((gate.active(), gate.retries()), (0, 0));
    });
}

#[test]
fn two_calls_that_allow_one_retry_never_make_two() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        let slots = [gate.calls(0), gate.calls(1)];
        let calls: Vec<_> = slots
            .into_iter()
            .map(|calls| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    calls.enter();
                    if gate.try_retry(|calls| calls / 2) {
                        assert_eq!(gate.retries(), 1);
                        gate.retry_ended();
                    }
                    calls.leave();
                })
            })
            .collect();
        for call in calls {
            call.join().unwrap();
        }
        assert_eq!((gate.active(), gate.retries()), (0, 0));
    });
}

#[test]
fn the_share_is_of_calls_that_are_active_while_they_are_counted() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        let calls = gate.calls(0);
        calls.enter();
        let other = {
            let (gate, calls) = (Arc::clone(&gate), gate.calls(1));
            thread::spawn(move || {
                calls.enter();
                // Itself for certain, and the other one unless that has left.
                let counted = gate.active();
                assert!((1..=2).contains(&counted), "{counted}");
                let retries = gate.try_retry(|calls| calls / 2);
                if retries {
                    gate.retry_ended();
                }
                calls.leave();
                (counted, retries)
            })
        };
        calls.leave();
        let (counted, retries) = other.join().unwrap();
        // Who has been seen to leave is never seen again.
        assert!(counted == 2 || !retries);
        assert_eq!((gate.active(), gate.retries()), (0, 0));
    });
}

#[test]
fn a_call_that_ends_on_another_thread_leaves_where_it_has_entered() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        let calls = gate.calls(0);
        calls.enter();
        let other = thread::spawn(move || calls.leave());
        gate.calls(1).enter();
        // Never less than the call of this thread, never more than there are.
        assert!((1..=2).contains(&gate.active()));
        other.join().unwrap();
        assert_eq!(gate.active(), 1);
    });
}

#[test]
fn deposits_and_withdrawals_add_up() {
    loom::model(|| {
        let bucket = Arc::new(History::new(20));
        assert!(bucket.withdraw(20));
        bucket.deposit(5);
        let deposits = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.deposit(10))
        };
        let taken = bucket.withdraw(14);
        deposits.join().unwrap();
        assert_eq!(bucket.tokens(), if taken { 1 } else { 15 });
    });
}

#[test]
fn two_deposits_never_overfill() {
    loom::model(|| {
        let bucket = Arc::new(History::new(20));
        assert!(bucket.withdraw(10));
        let other = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || bucket.deposit(7))
        };
        bucket.deposit(7);
        other.join().unwrap();
        assert_eq!(bucket.tokens(), 20);
    });
}
