mod alone;

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::{Barrier, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use buttress_core::{Kind, Outcome, Ratio, Sampler};

use super::Shared;
use crate::circuit::CircuitState;
use crate::permit::Permit;
use crate::policy::{Policy, SlowCalls, Window};
use crate::window::Counts;

const THREADS: usize = 8;
const SECOND: Duration = Duration::from_secs(1);
const BROKEN: Outcome = Outcome::new(Kind::Transient);
const GONE: Outcome = Outcome::new(Kind::Abandoned);
const WELL: Outcome = Outcome::SUCCESS;

#[expect(
    clippy::disallowed_methods,
    reason = "any moment will do to start from"
)]
fn epoch() -> Instant {
    Instant::now()
}

/// Counts, and never opens.
fn counting() -> Policy {
    Policy::DEFAULT
        .consecutive_failures(None)
        .failure_rate(None)
        .window(Window::Time(10 * SECOND))
}

fn circuit(policy: Policy, epoch: Instant) -> Shared {
    Shared::with_stripes(policy, None, epoch, 4)
}

fn counts(circuit: &Shared, now: Instant) -> Counts {
    let core = circuit.core();
    core.with(now, None, |circuit, _| circuit.counts(now))
}

fn acquire(circuit: &Shared, now: Instant) -> Permit {
    circuit.acquire_at(|| now).expect("it lets calls through")
}

#[test]
fn a_permit_is_sixteen_bytes_and_so_is_none() {
    assert_eq!(size_of::<Permit>(), 16);
    assert_eq!(size_of::<Option<Permit>>(), 16);
}

#[test]
fn a_call_that_is_ready_at_once_reads_the_clock_at_each_64th_success() {
    let now = epoch();
    let circuit = Shared::with_stripes(counting(), None, now, 1);
    let reads = std::cell::Cell::new(0);
    let clock = || {
        reads.set(reads.get() + 1);
        now
    };
    for _ in 0..640 {
        circuit.acquire_at(clock).unwrap().settle(&WELL, clock);
    }
    assert_eq!(reads.get(), 10);
    assert_eq!(counts(&circuit, now).calls, 640);
}

#[test]
fn a_call_that_waits_reads_the_clock_twice_however_often_it_is_polled() {
    let now = epoch();
    let circuit = circuit(counting(), now);
    let reads = std::cell::Cell::new(0);
    let clock = || {
        reads.set(reads.get() + 1);
        now
    };
    let mut permit = circuit.acquire_at(clock).unwrap();
    for _ in 0..10 {
        permit.waiting_at(clock);
    }
    assert_eq!(reads.get(), 1);
    permit.settle(&WELL, clock);
    assert_eq!(reads.get(), 2);
}

#[test]
fn successes_that_nobody_has_collected_yet_end_a_row_of_failures() {
    let now = epoch();
    let circuit = circuit(Policy::DEFAULT, now);
    for _ in 0..4 {
        acquire(&circuit, now).settle(&BROKEN, || now);
    }
    acquire(&circuit, now).settle(&WELL, || now);
    for _ in 0..100 {
        acquire(&circuit, now).settle(&WELL, || now);
    }
    for _ in 0..4 {
        acquire(&circuit, now).settle(&BROKEN, || now);
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
    acquire(&circuit, now).settle(&BROKEN, || now);
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[test]
fn a_success_can_be_the_call_that_makes_it_a_rate() {
    let now = epoch();
    let policy = Policy::DEFAULT.minimum_calls(NonZeroU32::new(5).unwrap());
    let circuit = circuit(policy, now);
    for outcome in [BROKEN, BROKEN, BROKEN, WELL] {
        acquire(&circuit, now).settle(&outcome, || now);
        assert_eq!(circuit.state(), CircuitState::Closed);
    }
    acquire(&circuit, now).settle(&WELL, || now);
    assert_eq!(circuit.state(), CircuitState::Open, "3 of 5");
}

#[test]
fn the_last_so_many_calls_are_counted_in_their_order() {
    let now = epoch();
    let window = Window::Calls(NonZeroU16::new(10).unwrap());
    let circuit = circuit(counting().window(window), now);
    for failed in [3, 0] {
        for _ in 0..failed {
            acquire(&circuit, now).settle(&BROKEN, || now);
        }
        for _ in 0..8 {
            acquire(&circuit, now).settle(&WELL, || now);
        }
        let counts = counts(&circuit, now);
        assert_eq!((counts.calls, counts.failures), (10, failed.min(2)));
    }
}

#[test]
fn p3_who_leaves_a_call_that_has_waited_long_has_seen_a_failure() {
    let start = epoch();
    let circuit = circuit(Policy::DEFAULT, start);
    for _ in 0..5 {
        let mut permit = acquire(&circuit, start);
        permit.waiting_at(|| start);
        permit.settle(&GONE, || start + 30 * SECOND);
    }
    assert_eq!(circuit.state(), CircuitState::Open);
}

#[test]
fn who_leaves_after_the_first_content_has_seen_enough() {
    let start = epoch();
    let circuit = circuit(Policy::DEFAULT, start);
    for _ in 0..10 {
        let mut permit = acquire(&circuit, start);
        permit.waiting_at(|| start);
        permit.content(|| start + 40 * SECOND);
        permit.settle(&GONE, || start + 600 * SECOND);
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
    assert_eq!(counts(&circuit, start).calls, 0);
}

#[test]
fn who_leaves_after_a_first_content_that_took_long_has_seen_no_failure() {
    let start = epoch();
    let slow = SlowCalls::counted(5 * SECOND);
    let circuit = circuit(Policy::DEFAULT.slow_calls(Some(slow)), start);
    for _ in 0..10 {
        let mut permit = acquire(&circuit, start);
        permit.waiting_at(|| start);
        permit.content(|| start + 40 * SECOND);
        permit.settle(&GONE, || start + 41 * SECOND);
    }
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[test]
fn a_success_can_be_the_call_that_makes_a_rate_of_slow_ones() {
    let start = epoch();
    let slow = SlowCalls::new(SECOND, Ratio::percent(50));
    let policy = Policy::DEFAULT.slow_calls(Some(slow));
    let circuit = circuit(policy.minimum_calls(NonZeroU32::new(2).unwrap()), start);
    let mut permit = acquire(&circuit, start);
    permit.waiting_at(|| start);
    permit.settle(&WELL, || start + 2 * SECOND);
    assert_eq!(circuit.state(), CircuitState::Closed);
    acquire(&circuit, start).settle(&WELL, || start + 2 * SECOND);
    assert_eq!(circuit.state(), CircuitState::Open, "1 of 2");
}

#[test]
fn slow_calls_become_a_rate_when_the_fast_ones_have_left_the_window() {
    let start = epoch();
    let slow = SlowCalls::new(SECOND, Ratio::percent(50));
    let circuit = circuit(counting().slow_calls(Some(slow)), start);
    let call = |from: Instant, to: Instant| {
        let mut permit = acquire(&circuit, from);
        permit.waiting_at(|| from);
        permit.settle(&WELL, || to);
    };
    for _ in 0..11 {
        call(start, start);
    }
    for _ in 0..10 {
        call(start + 3 * SECOND, start + 5 * SECOND);
    }
    assert_eq!(circuit.state(), CircuitState::Closed, "10 of 21");
    call(start + 11 * SECOND, start + 11 * SECOND);
    assert_eq!(circuit.state(), CircuitState::Open, "10 of 10");
}

#[test]
fn slow_is_the_time_to_the_first_content_and_not_to_the_end() {
    let start = epoch();
    let slow = SlowCalls::new(5 * SECOND, Ratio::ONE);
    let circuit = circuit(counting().slow_calls(Some(slow)), start);
    let call = |content: u32, end: u32| {
        let mut permit = acquire(&circuit, start);
        permit.waiting_at(|| start);
        permit.content(|| start + content * SECOND);
        permit.settle(&WELL, || start + end * SECOND);
        counts(&circuit, start + end * SECOND)
    };
    assert_eq!(call(1, 8).slow, 0);
    assert_eq!(call(6, 8).slow, 1);
}

#[test]
fn open_it_refuses_with_one_reading_of_the_clock_and_says_what_is_left() {
    let start = epoch();
    let circuit = circuit(Policy::DEFAULT, start);
    for _ in 0..5 {
        acquire(&circuit, start).settle(&BROKEN, || start);
    }
    let refused = |after| {
        let mut reads = 0;
        let refusal = circuit.acquire_at(|| {
            reads += 1;
            start + after
        });
        assert_eq!(reads, 1);
        refusal.unwrap_err().retry_after()
    };
    let (first, later) = (refused(Duration::ZERO), refused(10 * SECOND));
    assert!((30 * SECOND..=33 * SECOND).contains(&first), "{first:?}");
    assert_eq!(first - later, 10 * SECOND);
}

#[test]
fn the_way_through_a_failure_and_back_is_that_of_the_circuit() {
    let start = epoch();
    let circuit = circuit(Policy::DEFAULT, start);
    for _ in 0..5 {
        acquire(&circuit, start).settle(&BROKEN, || start);
    }
    let later = start + 40 * SECOND;
    let mut probe = acquire(&circuit, later);
    let refusal = circuit.acquire_at(|| later).unwrap_err();
    assert_eq!(refusal.retry_after(), SECOND);
    probe.content(|| later);
    assert_eq!(
        circuit.state(),
        CircuitState::Closed,
        "at its first content"
    );
    probe.settle(&WELL, || later);
    assert_eq!(counts(&circuit, later).calls, 1, "an ordinary success");
}

#[test]
fn f1_p15_of_many_callers_at_the_moment_of_half_open_one_is_let_through() {
    let start = epoch();
    for round in 0..200 {
        let circuit = circuit(Policy::DEFAULT, start);
        for _ in 0..5 {
            acquire(&circuit, start).settle(&BROKEN, || start);
        }
        let later = start + 40 * SECOND;
        let gate = Barrier::new(THREADS);
        let admitted = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    gate.wait();
                    for _ in 0..63 {
                        if let Ok(permit) = circuit.acquire_at(|| later) {
                            admitted.lock().unwrap().push(permit);
                        }
                    }
                });
            }
        });
        assert_eq!(admitted.lock().unwrap().len(), 1, "round {round}");
    }
}

#[test]
fn no_outcome_of_eight_threads_is_lost_or_doubled() {
    const EACH: u32 = 20_000;
    let start = epoch();
    let policy = counting().window(Window::Time(1_000_000 * SECOND));
    let circuit = circuit(policy, start);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let circuit = &circuit;
            scope.spawn(move || {
                for call in 0..EACH {
                    let mut permit = acquire(circuit, start);
                    if call % 3 == 0 {
                        permit.waiting_at(|| start);
                    }
                    let broken = thread % 2 == 0 && call % 100 == 0;
                    let outcome = if broken { BROKEN } else { WELL };
                    permit.settle(&outcome, || start);
                }
            });
        }
    });
    let counts = counts(&circuit, start);
    assert_eq!(counts.calls, EACH * 8);
    assert_eq!(counts.failures, EACH / 100 * 4);
}

/// In rounds: time stands still while the threads call, and their calls are held against the log of all of
/// them. An error of one bucket is allowed.
#[test]
fn with_eight_threads_the_window_is_right_but_for_one_bucket() {
    const SEED: u64 = 7;
    let samples = Sampler::seeded(SEED);
    let below = |most: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a small number"
        )]
        let number = (samples.sample() * most) as u64;
        number
    };
    let start = epoch();
    let circuit = circuit(counting(), start);
    let log = Mutex::new(Vec::new());
    let mut now = start;
    for round in 0..300 {
        let pause = if below(10.0) == 0 { 30_000.0 } else { 1_500.0 };
        now += Duration::from_millis(below(pause));
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..below(20.0) {
                        let broken = below(3.0) == 0;
                        let mut permit = acquire(&circuit, now);
                        permit.waiting_at(|| now);
                        permit.settle(if broken { &BROKEN } else { &WELL }, || now);
                        log.lock().unwrap().push((now, broken));
                    }
                });
            }
        });
        let log = log.lock().unwrap();
        let within = |age: Duration| {
            let recent = log.iter().filter(|(at, _)| now - *at < age);
            let failures = recent.clone().filter(|(_, broken)| *broken);
            (recent.count(), failures.count())
        };
        let (least, most) = (within(9 * SECOND), within(10 * SECOND));
        let found = counts(&circuit, now);
        let (calls, failures) = (found.calls as usize, found.failures as usize);
        assert!(
            (least.0..=most.0).contains(&calls) && (least.1..=most.1).contains(&failures),
            "seed {SEED}, round {round}: {found:?} is not from {least:?} to {most:?}"
        );
    }
}
