//! The store against a naive model, and at its limits. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use proptest::prelude::{Strategy, any, prop, prop_oneof, proptest};
use tokio::time::{Instant, advance};

use super::MemoryStore;
use crate::call_id::CallId;
use crate::fingerprint::Fingerprint;
use crate::store::{Claim, IdempotencyStore, Lease, Reply};
use crate::stored::Stored;

const TTL: Duration = Duration::from_secs(60);

fn call(scope: u8, call: u8) -> CallId {
    let scope = u128::from(scope) << 120;
    CallId::new(scope, scope | (u128::from(call) << 64))
}

fn answer(body: &[u8]) -> Stored {
    let body = Bytes::copy_from_slice(body);
    Stored::new(
        StatusCode::OK,
        HeaderMap::new(),
        body,
        None,
        Fingerprint::UNCHECKED,
    )
}

fn now<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Now(Some(answer)) => answer,
        _ => panic!("it knows at once"),
    }
}

fn claim(store: &MemoryStore, call: &CallId) -> Claim {
    now(store.claim(call, TTL))
}

fn lease(store: &MemoryStore, call: &CallId) -> Lease {
    match claim(store, call) {
        Claim::Run(lease) => lease,
        other => panic!("{other:?}"),
    }
}

fn keep(store: &MemoryStore, call: &CallId, body: &[u8]) -> bool {
    now(store.finish(lease(store, call), answer(body), TTL))
}

#[derive(Debug, Clone)]
enum Step {
    Claim(u8, u8),
    /// Of the leases that were ever given, lost ones included.
    Finish(usize),
    Release(usize),
    Recall(u8, u8),
    Wait(u64),
}

/// What the store is, without eviction: calls in a list, looked through from the front.
#[derive(Default)]
struct Model(Vec<(CallId, Option<(Bytes, Instant)>, Lease)>);

impl Model {
    fn at(&self, call: &CallId) -> Option<usize> {
        self.0.iter().position(|(known, ..)| known == call)
    }

    fn fresh(&self, call: &CallId) -> Option<&Bytes> {
        let (_, finished, _) = &self.0[self.at(call)?];
        let (body, until) = finished.as_ref()?;
        (Instant::now() < *until).then_some(body)
    }

    fn is_leased(&self, call: &CallId) -> bool {
        self.at(call).is_some_and(|at| self.0[at].1.is_none())
    }

    fn held(&self, lease: &Lease) -> Option<usize> {
        let at = self.at(lease.call())?;
        (self.0[at].1.is_none() && self.0[at].2 == *lease).then_some(at)
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u8, 0..4_u8).prop_map(|(scope, call)| Step::Claim(scope, call)),
        3 => any::<usize>().prop_map(Step::Finish),
        1 => any::<usize>().prop_map(Step::Release),
        2 => (0..3_u8, 0..4_u8).prop_map(|(scope, call)| Step::Recall(scope, call)),
        1 => (1..40_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

async fn compare(steps: Vec<Step>) {
    let (store, mut model) = (MemoryStore::new(), Model::default());
    let mut leases = Vec::new();
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Claim(scope, number) => {
                let id = call(scope, number);
                match claim(&store, &id) {
                    Claim::Run(lease) => {
                        assert!(model.fresh(&id).is_none() && !model.is_leased(&id), "{n}");
                        if let Some(stale) = model.at(&id) {
                            model.0.remove(stale);
                        }
                        model.0.push((id, None, lease));
                        leases.push(lease);
                    }
                    Claim::Finished(kept) => assert_eq!(Some(kept.body()), model.fresh(&id)),
                    Claim::InFlight => assert!(model.is_leased(&id), "{n}"),
                    other => panic!("{other:?}"),
                }
            }
            Step::Finish(which) if !leases.is_empty() => {
                let lease = leases[which % leases.len()];
                let body = n.to_be_bytes();
                let kept = now(store.finish(lease, answer(&body), TTL));
                let held = model.held(&lease);
                assert_eq!(kept, held.is_some(), "{n}");
                if let Some(held) = held {
                    let body = Bytes::copy_from_slice(&body);
                    model.0[held].1 = Some((body, Instant::now() + TTL));
                }
            }
            Step::Release(which) if !leases.is_empty() => {
                let lease = leases[which % leases.len()];
                assert_eq!(now(store.renew(&lease, TTL)), model.held(&lease).is_some());
                now(store.release(lease));
                if let Some(held) = model.held(&lease) {
                    model.0.remove(held);
                }
            }
            Step::Recall(scope, number) => {
                let id = call(scope, number);
                let kept = store.recall(&id);
                assert_eq!(
                    kept.as_ref().map(|kept| kept.body()),
                    model.fresh(&id),
                    "{n}"
                );
            }
            Step::Wait(seconds) => advance(Duration::from_secs(seconds)).await,
            Step::Finish(_) | Step::Release(_) => {}
        }
        assert_eq!(store.entries(), model.0.len(), "{n}");
    }
}

proptest! {
    #[test]
    fn it_is_a_list_of_calls_that_are_leased_or_finished(steps in steps()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(compare(steps));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_not_asked_for_the_longest_makes_room_and_what_is_under_way_never_does() {
    let store = MemoryStore::new().max_entries(3).scope_entries(3);
    let running = lease(&store, &call(0, 0));
    assert!(keep(&store, &call(1, 1), b"1") && keep(&store, &call(1, 2), b"2"));
    assert!(store.recall(&call(1, 1)).is_some());
    assert!(keep(&store, &call(1, 3), b"3"));
    let kept = |number| store.recall(&call(1, number)).is_some();
    assert!(kept(1) && !kept(2) && kept(3));
    assert!(now(store.renew(&running, TTL)));
    assert_eq!(store.entries(), 3);
}

#[tokio::test(start_paused = true)]
async fn room_is_made_by_the_oldest_of_any_scope_and_not_of_who_asks() {
    let store = MemoryStore::new().max_entries(100);
    for scope in [1, 2] {
        for number in 0..50 {
            assert!(keep(&store, &call(scope, number), b""));
        }
    }
    for number in 0..20 {
        advance(Duration::from_millis(1)).await;
        assert!(keep(&store, &call(3, number), b""));
    }
    let newest = (0..20).filter(|number| store.recall(&call(3, *number)).is_some());
    assert_eq!((newest.count(), store.entries()), (20, 100));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_fits_nowhere_evicts_nothing() {
    let store = MemoryStore::new().max_bytes(10_000).scope_bytes(usize::MAX);
    assert!(keep(&store, &call(1, 1), b"small"));
    assert!(!keep(&store, &call(1, 2), &[0; 20_000]));
    assert!(store.recall(&call(1, 1)).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_full_of_calls_under_way_keeps_no_more() {
    let store = MemoryStore::new().max_entries(2).scope_entries(2);
    let leases = [lease(&store, &call(0, 0)), lease(&store, &call(7, 1))];
    for _ in 0..3 {
        assert!(matches!(claim(&store, &call(3, 2)), Claim::Unkept(_)));
    }
    assert!(
        matches!(claim(&store, &call(0, 0)), Claim::InFlight),
        "it is known all the same"
    );
    for lease in leases {
        now(store.release(lease));
    }
    assert_eq!(store.entries(), 0);
    assert!(keep(&store, &call(3, 2), b""));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_has_used_up_its_quota_evicts_its_own() {
    let store = MemoryStore::new().max_entries(100).scope_entries(2);
    assert!(keep(&store, &call(2, 0), b""));
    for number in 0..5 {
        assert!(keep(&store, &call(1, number), b""));
    }
    let kept = |scope, number| store.recall(&call(scope, number)).is_some();
    assert!(kept(2, 0) && kept(1, 3) && kept(1, 4) && !kept(1, 2));
    assert_eq!(store.entries(), 3);
    let leases = [lease(&store, &call(1, 8)), lease(&store, &call(1, 9))];
    assert!(
        matches!(claim(&store, &call(1, 10)), Claim::Unkept(_)),
        "{leases:?}"
    );
    assert!(matches!(claim(&store, &call(2, 1)), Claim::Run(_)));
}

#[tokio::test(start_paused = true)]
async fn bytes_are_bounded_in_all_and_by_scope() {
    let one = answer(&[0; 1_000]).weight() + super::ENTRY;
    let store = MemoryStore::new().max_bytes(3 * one).scope_bytes(2 * one);
    for number in 0..5 {
        assert!(keep(&store, &call(1, number), &[0; 1_000]));
        assert!(store.bytes() <= 2 * one);
    }
    for scope in 2..9 {
        assert!(keep(&store, &call(scope, 0), &[0; 1_000]));
        assert!(store.bytes() <= 3 * one, "{}", store.bytes());
    }
    assert!(
        !keep(&store, &call(1, 9), &vec![0; 3 * one]),
        "longer than its scope may hold"
    );
    assert!(
        matches!(claim(&store, &call(1, 9)), Claim::Run(_)),
        "and its key is free"
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_be_kept_for_ever() {
    let store = MemoryStore::new();
    let lease = lease(&store, &call(1, 1));
    assert!(now(store.finish(lease, answer(b"a"), Duration::MAX)));
    advance(Duration::from_secs(1 << 40)).await;
    assert!(store.recall(&call(1, 1)).is_some());
}

#[test]
fn threads_that_claim_at_once_get_one_lease_and_the_counts_are_right() {
    let store = Arc::new(MemoryStore::new().max_entries(64).scope_entries(64));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    std::thread::scope(|threads| {
        for thread in 0..4_u8 {
            let (store, handle) = (Arc::clone(&store), runtime.handle().clone());
            threads.spawn(move || {
                let _time = handle.enter();
                for n in 0..2_000_u32 {
                    let id = call(n.to_le_bytes()[0] % 7, n.to_le_bytes()[0] % 50);
                    if let Claim::Run(lease) = claim(&store, &id) {
                        if (n + u32::from(thread)) % 3 == 0 {
                            now(store.release(lease));
                        } else {
                            assert!(now(store.finish(lease, answer(b"a"), TTL)));
                        }
                    }
                }
            });
        }
    });
    assert!(store.entries() <= 64);
    let each = answer(b"a").weight() + super::ENTRY;
    assert_eq!(
        store.bytes(),
        store.entries() * each,
        "nothing is under way any more"
    );
}
