//! A circuit per key: which requests share one, and how many there are. Time is paused.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use buttress_breaker::{
    AnyRequest, CircuitBreakerLayer, CircuitKey, CircuitOpen, CircuitState, Keyed, Policy,
};
use buttress_classify::Profile;
use buttress_core::{BoxError, Classify, Kind, Never, Outcome, classify_fn, find};
use buttress_testkit::events::listen;
use buttress_testkit::upstream::{Behaviour, Matcher, Script, Upstream};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::sleep;
use tower::{Layer, Service, ServiceExt, service_fn};

/// What a policy waits at most for, jitter included.
const LONGEST_WAIT: Duration = Duration::from_secs(330);
const MONTH: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Whom it is for, and whether it will succeed.
type Call = (u64, bool);

type ByNumber<C> = CircuitBreakerLayer<C, Keyed<fn(&Call) -> u64, u64>, AnyRequest>;

fn layer(max: usize) -> ByNumber<impl Classify<(), BoxError, Watch = Never> + Clone> {
    let classify = classify_fn(|result: Result<&(), &BoxError>| match result {
        Ok(()) => Outcome::SUCCESS,
        Err(_) => Outcome::new(Kind::OutOfQuota),
    });
    let key: fn(&Call) -> u64 = |(key, _)| *key;
    CircuitBreakerLayer::new(classify)
        .policy(Policy::DEFAULT.single_credential(true))
        .name("test")
        .key(key)
        .max_circuits(NonZeroUsize::new(max).unwrap())
}

/// Calls, and says whether the circuit was open. A failure opens it at once.
async fn refused<C>(layer: &ByNumber<C>, call: Call) -> bool
where
    C: Classify<(), BoxError, Watch = Never> + Clone,
{
    let inner = service_fn(|(_, well): Call| async move {
        if well {
            Ok(())
        } else {
            Err(BoxError::from("unpaid"))
        }
    });
    let result = layer.layer(inner).oneshot(call).await;
    result.is_err_and(|error| find::<CircuitOpen>(&*error).is_some())
}

#[tokio::test(start_paused = true)]
async fn what_opens_the_circuit_of_one_key_opens_no_other() {
    let layer = layer(100);
    refused(&layer, (1, false)).await;
    assert!(refused(&layer, (1, true)).await);
    assert!(!refused(&layer, (2, true)).await);

    let circuits = layer.circuits();
    assert_eq!(circuits.get(&1).unwrap().state(), CircuitState::Open);
    assert_eq!(circuits.get(&2).unwrap().state(), CircuitState::Closed);
    assert!(circuits.get(&3).is_none());
    assert_eq!(circuits.len(), 2, "asking makes none");
    let mut keys: Vec<_> = circuits
        .snapshot()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, [1, 2]);
    circuits.get(&1).unwrap().reset();
    assert!(!refused(&layer, (1, true)).await);
}

#[tokio::test(start_paused = true)]
async fn circuits_are_named_by_their_layer_and_a_hash_of_their_key() {
    let layer = layer(100);
    refused(&layer, (1, true)).await;
    let circuit = layer.circuits().get(&1).unwrap();
    let digits = circuit.name().unwrap().strip_prefix("test/").unwrap();
    assert_eq!(digits.len(), 8);
    assert!(digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let overflow = layer.circuits().overflow();
    assert_eq!(overflow.name(), Some("test/overflow"));
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_circuits_than_allowed() {
    for max in [1, 7, 1_000] {
        let layer = layer(max);
        for key in 0..3_000 {
            refused(&layer, (key, true)).await;
            assert!(layer.circuits().len() <= max);
        }
        assert_eq!(layer.circuits().len(), max);
        assert_eq!(layer.circuits().snapshot().len(), max);
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_circuit_that_is_not_used_makes_room_and_one_that_is_used_stays() {
    let layer = layer(4);
    for key in 0..4 {
        refused(&layer, (key, true)).await;
    }
    // The newcomers come and go; the regular is there between each two of them.
    for newcomer in 10..200 {
        refused(&layer, (0, true)).await;
        refused(&layer, (newcomer, true)).await;
    }
    let circuits = layer.circuits();
    let regular = circuits.get(&0).unwrap();
    assert_eq!(regular.counts().calls, 1 + 190, "it was there all along");
    assert!((1..4).all(|key| circuits.get(&key).is_none()));
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_is_not_forgotten_however_many_others_come() {
    let layer = layer(3);
    refused(&layer, (1, false)).await;
    refused(&layer, (2, false)).await;
    for newcomer in 10..1_000 {
        assert!(!refused(&layer, (newcomer, true)).await);
    }
    assert!(refused(&layer, (1, true)).await);
    assert!(refused(&layer, (2, true)).await);
    // Nor one that somebody holds open by hand.
    let circuits = layer.circuits();
    circuits.get(&1).unwrap().force_open();
    for newcomer in 10..1_000 {
        refused(&layer, (newcomer, true)).await;
    }
    assert_eq!(circuits.get(&1).unwrap().state(), CircuitState::ForcedOpen);
    sleep(MONTH).await;
    for newcomer in 10..1_000 {
        refused(&layer, (newcomer, true)).await;
    }
    assert_eq!(circuits.get(&1).unwrap().state(), CircuitState::ForcedOpen);
}

#[tokio::test(start_paused = true)]
async fn a_circuit_that_somebody_holds_closed_by_hand_is_not_forgotten() {
    let layer = layer(3);
    refused(&layer, (1, true)).await;
    let circuits = layer.circuits();
    circuits.get(&1).unwrap().force_closed();
    for newcomer in 10..100 {
        refused(&layer, (newcomer, true)).await;
    }
    let held = circuits.get(&1).expect("it keeps its place");
    assert_eq!(held.state(), CircuitState::ForcedClosed);
}

#[tokio::test(start_paused = true)]
async fn open_circuits_that_nobody_asks_for_any_more_make_room() {
    let layer = layer(3);
    for key in 0..3 {
        refused(&layer, (key, false)).await;
    }
    // The wait is over, and for as long as the longest wait somebody may still come.
    sleep(Duration::from_secs(590)).await;
    for newcomer in 10..100 {
        refused(&layer, (newcomer, true)).await;
    }
    assert!((0..3).all(|key| layer.circuits().get(&key).is_some()));
    sleep(Duration::from_secs(60)).await;
    for newcomer in 10..100 {
        refused(&layer, (newcomer, true)).await;
    }
    assert!((0..3).all(|key| layer.circuits().get(&key).is_none()));
}

#[tokio::test(start_paused = true)]
async fn half_open_circuits_that_nobody_asks_for_any_more_make_room() {
    let layer = layer(3);
    let caller = || layer.layer(service_fn(|_: Call| async { Ok::<_, BoxError>(()) }));
    for key in 0..3 {
        refused(&layer, (key, false)).await;
    }
    sleep(LONGEST_WAIT).await;
    let states = || (0..3).map(|key| layer.circuits().get(&key).map(|circuit| circuit.state()));
    for key in 0..3 {
        drop(caller().call((key, true))); // the prober goes away
    }
    assert!(states().all(|state| state == Some(CircuitState::HalfOpen)));
    // The probes' lease, and for as long as the longest wait somebody may still come.
    sleep(Duration::from_secs(320)).await;
    for newcomer in 10..100 {
        refused(&layer, (newcomer, true)).await;
    }
    assert!(states().all(|state| state == Some(CircuitState::HalfOpen)));
    sleep(Duration::from_secs(20)).await;
    for newcomer in 10..100 {
        refused(&layer, (newcomer, true)).await;
    }
    assert!(states().all(|state| state.is_none()));
}

#[tokio::test(start_paused = true)]
async fn who_hears_that_a_circuit_is_half_open_may_ask_for_another_at_once() {
    let layer = layer(100);
    refused(&layer, (1, false)).await;
    sleep(LONGEST_WAIT).await;
    let inner = service_fn(|_: Call| async { Ok::<_, BoxError>(()) });
    let caller = Mutex::new(layer.layer(inner));
    let heard = Arc::new(AtomicUsize::new(0));
    let ears = Arc::clone(&heard);
    let _listening = listen("buttress::breaker", move |_| {
        ears.fetch_add(1, Ordering::Relaxed);
        drop(caller.lock().unwrap().call((2, true)));
    });
    assert!(!refused(&layer, (1, true)).await);
    assert!(heard.load(Ordering::Relaxed) > 0);
    assert!(layer.circuits().get(&2).is_some());
}

#[tokio::test(start_paused = true)]
async fn without_room_the_rest_shares_a_circuit_that_believes_nothing_of_credentials() {
    let layer = layer(2);
    refused(&layer, (1, false)).await;
    refused(&layer, (2, false)).await;
    for key in 3..10 {
        assert!(!refused(&layer, (key, false)).await);
    }
    let overflow = layer.circuits().overflow();
    assert_eq!(
        overflow.state(),
        CircuitState::Closed,
        "one unpaid key is not all"
    );
    assert_eq!(overflow.counts().calls, 0);
    overflow.force_open();
    assert!(refused(&layer, (3, true)).await);
    assert!(refused(&layer, (4, true)).await);
}

#[tokio::test(start_paused = true)]
async fn an_unpaid_key_of_an_api_closes_the_door_for_itself_alone() {
    let unpaid = Matcher::path("/v1/chat/completions").header("authorization", "Bearer unpaid");
    // What the judge would have left: without it the status of a 429 says no more than a rate.
    let script = Script::well().on(unpaid, Script::always(Behaviour::status(402)));
    let upstream = Upstream::new(script);
    let layer = CircuitBreakerLayer::http(Profile::OPENAI)
        .policy(Policy::DEFAULT.single_credential(true))
        .key(|request: &Request<Full<Bytes>>| {
            CircuitKey::origin(request).and(CircuitKey::credential(request))
        });
    let call = |credential: &'static str| {
        let request = Request::post("https://api.example/v1/chat/completions")
            .header("authorization", credential)
            .body(Full::<Bytes>::from("{}"))
            .unwrap();
        let service = layer.layer(upstream.service());
        async move {
            service
                .oneshot(request)
                .await
                .map(|answer| answer.status().as_u16())
        }
    };
    assert_eq!(call("Bearer unpaid").await.unwrap(), 402);
    assert!(call("Bearer unpaid").await.is_err());
    assert_eq!(call("Bearer paid").await.unwrap(), 200);
    assert_eq!(upstream.counts().calls, 2);
    // Nothing that is shown holds a credential.
    let shown = format!("{layer:?} {:?}", layer.circuits().snapshot());
    assert!(!shown.contains("paid"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_cannot_be_told_apart_by_their_hash_are_told_apart_by_themselves() {
    #[derive(Clone, PartialEq, Eq)]
    struct Alike(u8);
    impl std::hash::Hash for Alike {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    let layer = CircuitBreakerLayer::new(classify_fn(|_: Result<&(), &BoxError>| Outcome::SUCCESS));
    let layer = layer.key(|key: &Alike| key.clone());
    let call = service_fn(|_: Alike| async { Ok::<_, BoxError>(()) });
    for key in [1, 2, 1] {
        layer.layer(call).oneshot(Alike(key)).await.unwrap();
    }
    let circuits = layer.circuits();
    assert_eq!(circuits.get(&Alike(1)).unwrap().counts().calls, 2);
    assert!(circuits.get(&Alike(2)).is_none());
    assert_eq!(circuits.overflow().counts().calls, 1);
}

#[test]
fn threads_that_come_with_new_keys_at_once_make_one_circuit_for_each() {
    const THREADS: u64 = 8;
    let layer = Arc::new(layer(64));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let layer = Arc::clone(&layer);
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build();
                runtime.unwrap().block_on(async {
                    for key in 0..64 {
                        refused(&layer, (key, true)).await;
                    }
                });
            });
        }
    });
    let circuits = layer.circuits().snapshot();
    assert_eq!(circuits.len(), 64);
    let calls = circuits
        .iter()
        .map(|(_, circuit)| u64::from(circuit.counts().calls));
    assert_eq!(calls.sum::<u64>(), 64 * THREADS, "and no call is lost");
    assert_eq!(layer.circuits().overflow().counts().calls, 0);
}
