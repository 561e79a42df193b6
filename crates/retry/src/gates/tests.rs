use std::sync::Barrier;
use std::thread;

use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest};

use super::{Concurrency, History};

#[test]
fn a_slot_is_taken_only_while_one_is_free() {
    let gate = Concurrency::new();
    gate.calls(0).enter();
    assert!(gate.try_retry(|calls| calls));
    assert!(!gate.try_retry(|calls| calls));
    gate.retry_ended();
    assert!(gate.try_retry(|calls| calls));
    gate.retry_ended();
    gate.calls(0).leave();
    assert_eq!((gate.active(), gate.retries()), (0, 0));
}

#[test]
fn calls_are_counted_by_slot_and_added_up() {
    let gate = Concurrency::new();
    for slot in 0..40 {
        gate.calls(slot).enter();
    }
    assert_eq!(gate.active(), 40);
    for slot in 0..40 {
        gate.calls(slot).leave();
    }
    assert_eq!(gate.active(), 0);
}

#[test]
fn f17_a_withdrawal_takes_all_or_nothing_and_never_goes_below_zero() {
    let bucket = History::new(20);
    assert!(bucket.withdraw(14));
    assert!(!bucket.withdraw(14));
    assert_eq!(bucket.tokens(), 6);
    assert!(!bucket.withdraw(u32::MAX));
    assert!(bucket.withdraw(0));
}

#[test]
fn a_full_bucket_takes_no_more() {
    let bucket = History::new(20);
    bucket.deposit(u32::MAX);
    assert_eq!(bucket.tokens(), 20);
    assert!(bucket.withdraw(5));
    bucket.deposit(u32::MAX);
    assert_eq!(bucket.tokens(), 20);
}

#[test]
fn p16_no_deposit_is_lost_under_contention() {
    const THREADS: u32 = 8;
    const EACH: u32 = 20_000;
    let bucket = History::new(u32::MAX);
    assert!(bucket.withdraw(u32::MAX));
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..EACH {
                    bucket.deposit(3);
                    assert!(bucket.withdraw(1));
                }
            });
        }
    });
    assert_eq!(bucket.tokens(), THREADS * EACH * 2);
}

#[test]
fn never_more_retries_at_once_than_allowed_with_eight_threads() {
    const THREADS: usize = 8;
    let gate = Concurrency::new();
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for slot in 0..THREADS {
            let (gate, start, calls) = (&gate, &start, gate.calls(slot / 2));
            scope.spawn(move || {
                start.wait();
                for _ in 0..20_000 {
                    calls.enter();
                    if gate.try_retry(|calls| calls.min(3)) {
                        assert!(gate.retries() <= 3);
                        gate.retry_ended();
                    }
                    calls.leave();
                }
            });
        }
    });
    assert_eq!((gate.active(), gate.retries()), (0, 0));
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Deposit(u32),
    Withdraw(u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        any::<u32>().prop_map(Op::Deposit),
        any::<u32>().prop_map(Op::Withdraw),
        (0_u32..40).prop_map(Op::Deposit),
        (0_u32..40).prop_map(Op::Withdraw),
    ]
}

proptest! {
    /// Against a model in wider numbers that cannot overflow.
    #[test]
    fn the_bucket_does_exact_sums(capacity in any::<u32>(), ops in prop::collection::vec(op(), 0..60)) {
        let bucket = History::new(capacity);
        let mut model = u64::from(capacity);
        for op in ops {
            match op {
                Op::Deposit(tokens) => {
                    bucket.deposit(tokens);
                    model = (model + u64::from(tokens)).min(u64::from(capacity));
                }
                Op::Withdraw(cost) => {
                    let granted = u64::from(cost) <= model;
                    prop_assert_eq!(bucket.withdraw(cost), granted);
                    if granted {
                        model -= u64::from(cost);
                    }
                }
            }
            prop_assert_eq!(u64::from(bucket.tokens()), model);
            prop_assert!(bucket.tokens() <= capacity);
        }
    }
}
