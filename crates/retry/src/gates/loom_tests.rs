//! Every interleaving of two threads: `RUSTFLAGS="--cfg buttress_loom" cargo test -p buttress-retry --lib --release`.

use loom::sync::Arc;
use loom::thread;

use super::{Concurrency, History};

#[test]
fn two_calls_never_share_the_last_slot() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        let calls: Vec<_> = (0..2)
            .map(|_| {
                let gate = Arc::clone(&gate);
                thread::spawn(move || {
                    gate.enter();
                    let retries = gate.try_retry(|_| 1);
                    if retries {
                        assert_eq!(gate.retries(), 1);
                        gate.retry_ended();
                    }
                    gate.leave(false);
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
fn the_share_is_of_the_calls_that_are_active_at_that_moment() {
    loom::model(|| {
        let gate = Arc::new(Concurrency::new());
        gate.enter();
        let other = {
            let gate = Arc::clone(&gate);
            thread::spawn(move || {
                gate.enter();
                let retries = gate.try_retry(|calls| calls / 2);
                if retries {
                    gate.retry_ended();
                }
                gate.leave(false);
                retries
            })
        };
        // The other call sees itself and perhaps this one: a slot, unless this one has left.
        gate.leave(false);
        other.join().unwrap();
        assert_eq!((gate.active(), gate.retries()), (0, 0));
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
