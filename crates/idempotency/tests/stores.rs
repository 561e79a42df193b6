//! A store that other processes see: leases, waiting, and what is lost. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_core::{Failure, Kind, Outcome, find};
use buttress_idempotency::{
    CallId, Claim, Duplicates, IdempotencyLayer, IdempotencyStore, KeyReused, Lease, MemoryStore,
    Reply, Stored,
};
use buttress_testkit::body::Step;
use tokio::time::{Instant, sleep, timeout};
use tower::Layer;

use kit::{Answer, Upstream, ask, is_replay, keyed};

/// A memory store behind a wire: it is seen by others, answers late, and writes down what it was told.
struct Remote {
    memory: MemoryStore,
    /// What it says to claims before it asks its memory.
    says: Mutex<VecDeque<Claim>>,
    told: Mutex<Vec<&'static str>>,
    holds_leases: bool,
}

impl Remote {
    fn new() -> Arc<Self> {
        Self::saying([])
    }

    fn saying(claims: impl IntoIterator<Item = Claim>) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStore::new(),
            says: Mutex::new(claims.into_iter().collect()),
            told: Mutex::default(),
            holds_leases: true,
        })
    }

    fn note(&self, what: &'static str) {
        self.told.lock().unwrap().push(what);
    }

    fn told(&self) -> Vec<&'static str> {
        self.told.lock().unwrap().clone()
    }
}

fn late<T: Send + 'static + Unpin>(reply: Reply<T>) -> Reply<T> {
    Reply::later(async move {
        sleep(Duration::from_millis(1)).await;
        reply.await
    })
}

impl IdempotencyStore for Remote {
    fn is_shared(&self) -> bool {
        true
    }

    fn claim(&self, call: &CallId, lease: Duration) -> Reply<Claim> {
        self.note("claim");
        match self.says.lock().unwrap().pop_front() {
            Some(claim) => late(Reply::now(claim)),
            None => late(self.memory.claim(call, lease)),
        }
    }

    fn renew(&self, lease: &Lease, time: Duration) -> Reply<bool> {
        self.note("renew");
        match self.holds_leases {
            true => late(self.memory.renew(lease, time)),
            false => late(Reply::now(false)),
        }
    }

    fn finish(&self, lease: Lease, answer: Stored, ttl: Duration) -> Reply<bool> {
        self.note("finish");
        if !self.holds_leases {
            drop(self.memory.release(lease)); // somebody else has it, and is done
            return late(Reply::now(false));
        }
        late(self.memory.finish(lease, answer, ttl))
    }

    fn release(&self, lease: Lease) -> Reply<()> {
        self.note("release");
        late(self.memory.release(lease))
    }
}

fn layer(store: &Arc<Remote>) -> IdempotencyLayer {
    IdempotencyLayer::new(Profile::HTTP).store(Arc::clone(store))
}

#[tokio::test(start_paused = true)]
async fn two_gateways_make_one_call_and_the_other_waits_for_its_answer() {
    let (store, upstream) = (
        Remote::new(),
        Upstream::new(|_| Answer::new([Step::data("a")]).after(2_000)),
    );
    let one = layer(&store).layer(upstream.service());
    let other = layer(&store).layer(upstream.service());
    let (first, second) = tokio::join!(ask(&one, keyed("k", "p")), ask(&other, keyed("k", "p")));
    let ((first, one_body), (second, other_body)) = (first.unwrap(), second.unwrap());
    assert_eq!((one_body, other_body), ("a".into(), "a".into()));
    assert_eq!((is_replay(&first), is_replay(&second)), (false, true));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn or_the_other_is_refused() {
    let (store, upstream) = (
        Remote::new(),
        Upstream::new(|_| Answer::new([Step::data("a")]).after(2_000)),
    );
    let one = layer(&store).layer(upstream.service());
    let other = layer(&store)
        .duplicates(Duplicates::Refuse)
        .layer(upstream.service());
    let late = async {
        sleep(Duration::from_millis(10)).await;
        ask(&other, keyed("k", "p")).await
    };
    let (first, second) = tokio::join!(ask(&one, keyed("k", "p")), late);
    first.unwrap();
    let error = second.err().unwrap();
    assert_eq!(
        find::<Failure>(&*error).unwrap().outcome().reason,
        Outcome::IN_FLIGHT.reason
    );
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_was_asked_must_be_the_same() {
    let (store, upstream) = (Remote::new(), Upstream::saying("a"));
    ask(&layer(&store).layer(upstream.service()), keyed("k", "p"))
        .await
        .unwrap();
    let other = layer(&store).layer(upstream.service());
    let error = ask(&other, keyed("k", "q")).await.err().unwrap();
    assert!(find::<KeyReused>(&*error).is_some());
    assert!(is_replay(&ask(&other, keyed("k", "p")).await.unwrap().0));
    assert_eq!(upstream.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_gives_the_lease_back_before_it_is_told() {
    let upstream = Upstream::in_turn([
        Answer::error("down"),
        Answer::status(500, "oops"),
        Answer::stream([Step::data("a"), Step::Error("reset".into())]),
        Answer::new([Step::data("a")]),
    ]);
    let store = Remote::new();
    for _ in 0..4 {
        // Another gateway each time: nothing but the store can tell it.
        let service = layer(&store)
            .duplicates(Duplicates::Refuse)
            .layer(upstream.service());
        drop(ask(&service, keyed("k", "p")).await);
    }
    let each = ["claim", "release"];
    assert_eq!(
        store.told(),
        [&each[..], &each, &each, &["claim", "finish"]].concat()
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_every_third_of_its_time_while_the_call_runs_and_its_answer_comes() {
    let upstream = Upstream::new(|_| {
        Answer::new([
            Step::data("a"),
            Step::Wait(Duration::from_secs(25)),
            Step::data("b"),
        ])
        .after(25_000)
    });
    let store = Remote::new();
    let service = layer(&store).layer(upstream.service());
    ask(&service, keyed("k", "p")).await.unwrap();
    let renewals = store.told().iter().filter(|told| **told == "renew").count();
    assert_eq!(renewals, 4, "{:?}", store.told());
    assert!(is_replay(&ask(&service, keyed("k", "p")).await.unwrap().0));
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_lets_nobody_down_and_keeps_nothing() {
    let upstream = Upstream::new(|_| Answer::new([Step::data("a")]).after(25_000));
    let mut store = Remote::new();
    Arc::get_mut(&mut store).unwrap().holds_leases = false;
    let service = layer(&store).layer(upstream.service());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    // It is offered, and the store says that it was too late.
    assert_eq!(store.told(), ["claim", "renew", "finish"]);
    ask(&service, keyed("k", "p")).await.unwrap();
    assert_eq!(upstream.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn where_the_store_cannot_be_asked_it_says_whether_calls_are_made() {
    let upstream = Upstream::saying("a");
    let unreachable = Claim::Refused("connection refused".into());
    let store = Remote::saying([Claim::Unkept("no connection"), unreachable]);
    let service = layer(&store).layer(upstream.service());
    assert_eq!(ask(&service, keyed("k", "p")).await.unwrap().1, "a");
    let error = ask(&service, keyed("k", "p")).await.err().unwrap();
    assert_eq!(
        find::<Failure>(&*error).unwrap().outcome().kind,
        Kind::Unavailable
    );
    assert_eq!(upstream.calls(), 1);
    assert_eq!(
        store.told(),
        ["claim", "claim"],
        "what is not leased is not given back"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_waits_for_another_process_waits_no_longer_than_any_call() {
    let in_flight = (0..1_000).map(|_| Claim::InFlight);
    let (store, upstream) = (Remote::saying(in_flight), Upstream::saying("a"));
    let service = layer(&store)
        .max_run(Duration::from_secs(20))
        .layer(upstream.service());
    let start = Instant::now();
    assert!(ask(&service, keyed("k", "p")).await.is_err());
    assert_eq!(start.elapsed(), Duration::from_secs(20));
    assert!(store.told().len() < 40, "it is not asked all the time");
    assert_eq!(upstream.calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_gives_the_lease_back_by_the_executor_if_the_call_is_not_driven() {
    let upstream = Upstream::new(|_| Answer::new([Step::Stall]));
    let store = Remote::new();
    let layer = layer(&store)
        .max_run(Duration::from_secs(5))
        .executor(|future| {
            #[expect(clippy::disallowed_methods, reason = "this is the executor")]
            drop(tokio::spawn(future));
        });
    let service = layer.layer(upstream.service());
    assert!(
        timeout(Duration::from_secs(1), ask(&service, keyed("k", "p")))
            .await
            .is_err()
    );
    sleep(Duration::from_secs(10)).await;
    assert_eq!(store.told(), ["claim", "release"]);
    assert!(upstream.body(0).dropped());
}
