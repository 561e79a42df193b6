//! What a store does, against a server.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and processes are told apart as tasks"
)]

mod kit;

use std::time::Duration;

use buttress_idempotency::{Claim, Fingerprint, IdempotencyStore, Lease, Stored};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use kit::{
    CALL, KEY, LONG, Server, answer, claim, claim_in_the_end, finished, granted, in_flight, lease,
};

#[tokio::test]
async fn one_claims_a_call_and_others_wait_for_what_it_keeps() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let lease = lease(&one, LONG).await;
    in_flight(&claim(&other).await);
    in_flight(&claim(&one).await);
    assert!(one.finish(lease, answer("kept"), LONG).await);
    assert_eq!(finished(claim(&other).await), "kept");
    assert_eq!(finished(claim(&one).await), "kept");
}

#[tokio::test]
async fn an_answer_comes_back_with_all_of_its_parts() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, LONG).await;
    let mut headers = HeaderMap::new();
    for value in ["one", "two", "\u{e9}"] {
        headers.append("x-many", value.parse().unwrap());
    }
    let mut trailers = HeaderMap::new();
    trailers.append("grpc-status", "0".parse().unwrap());
    let print = Fingerprint::from_bytes(&[&[2][..], &[7; 32]].concat()).unwrap();
    let kept = Stored::new(
        StatusCode::CREATED,
        headers.clone(),
        Bytes::from_static(b"\x00\xff"),
        Some(trailers.clone()),
        print,
    );
    assert!(store.finish(lease, kept, LONG).await);
    let Claim::Finished(got) = claim(&server.store()).await else {
        panic!("it is not there")
    };
    assert_eq!(got.status(), StatusCode::CREATED);
    assert_eq!(*got.headers(), headers);
    assert_eq!(got.trailers(), Some(&trailers));
    assert_eq!(&got.body()[..], b"\x00\xff");
    assert!(*got.fingerprint() == print);
}

/// P18: two that look before either has written.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_hundred_concurrent_claims_one_is_granted() {
    let Some(server) = Server::start().await else {
        return;
    };
    let stores = [
        server.store(),
        server.store(),
        server.store(),
        server.store(),
    ];
    let claims: Vec<_> = (0..100)
        .map(|n| {
            let store = stores[n % stores.len()].clone();
            tokio::spawn(async move { claim(&store).await })
        })
        .collect();
    let mut leases = 0;
    for claim in claims {
        match claim.await.unwrap() {
            Claim::Run(_) => leases += 1,
            other => in_flight(&other),
        }
    }
    assert_eq!(leases, 1);
}

#[tokio::test]
async fn a_call_that_is_released_may_be_made_by_the_next() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let lease = lease(&one, LONG).await;
    one.release(lease).await;
    assert!(server.keys().await.is_empty());
    granted(claim(&other).await);
}

/// 32: 409 for ever after a crash.
#[tokio::test]
async fn a_lease_that_nobody_renews_runs_out() {
    let Some(server) = Server::start().await else {
        return;
    };
    lease(&server.store(), Duration::from_millis(30)).await;
    claim_in_the_end(&server.store()).await;
}

/// 32, likewise.
#[tokio::test]
async fn a_lease_that_somebody_has_made_eternal_runs_out_nevertheless() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    lease(&store, LONG).await;
    let () = server.say(&[b"PERSIST", KEY.as_bytes()]).await;
    in_flight(&store.claim(&CALL, Duration::from_millis(30)).await);
    claim_in_the_end(&store).await;
}

#[tokio::test]
async fn a_lease_that_is_renewed_lasts() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, Duration::from_secs(10)).await;
    assert!(store.renew(&lease, LONG).await);
    let left: u64 = server.say(&[b"PTTL", KEY.as_bytes()]).await;
    assert!(left > 30_000, "{left}");
}

#[tokio::test]
async fn a_stale_owner_is_fenced_off() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let stale = lease(&one, Duration::from_millis(30)).await;
    let fresh = claim_in_the_end(&other).await;

    assert!(!one.renew(&stale, LONG).await);
    assert!(!one.finish(stale, answer("stale"), LONG).await);
    one.release(stale).await;
    in_flight(&claim(&one).await);

    assert!(other.renew(&fresh, LONG).await);
    assert!(other.finish(fresh, answer("fresh"), LONG).await);
    assert!(!one.finish(stale, answer("stale"), LONG).await);
    assert!(!one.renew(&stale, LONG).await);
    one.release(stale).await;
    assert_eq!(finished(claim(&one).await), "fresh");
}

#[tokio::test]
async fn a_stale_owner_is_fenced_off_with_an_answer_of_many_pieces() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let stale = lease(&one, Duration::from_millis(30)).await;
    let fresh = claim_in_the_end(&other).await;
    assert!(other.finish(fresh, answer(vec![1; 2 << 20]), LONG).await);
    assert!(!one.finish(stale, answer(vec![2; 2 << 20]), LONG).await);
    let got = finished(claim(&one).await);
    assert!(got.len() == 2 << 20 && got.iter().all(|byte| *byte == 1));
}

#[tokio::test]
async fn whoever_was_slow_keeps_its_answer_if_nobody_came_in_between() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, LONG).await;
    let () = server.say(&[b"DEL", KEY.as_bytes()]).await;
    assert!(store.finish(lease, answer("late"), LONG).await);
    assert_eq!(finished(claim(&store).await), "late");
}

/// The server has done as it was told, and its answer was lost: it is told again.
#[tokio::test]
async fn a_step_that_is_taken_twice_is_taken_once() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, LONG).await;
    assert!(store.finish(lease, answer("once"), LONG).await);
    assert!(store.finish(lease, answer("once"), LONG).await);
    assert_eq!(finished(claim(&store).await), "once");
}

#[tokio::test]
async fn an_answer_is_kept_for_its_time_and_no_longer() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let first = lease(&store, LONG).await;
    assert!(
        store
            .finish(first, answer("short"), Duration::from_millis(1))
            .await
    );
    let second = claim_in_the_end(&store).await;

    let hour = Duration::from_secs(3600);
    assert!(store.finish(second, answer(vec![0; 1 << 20]), hour).await);
    for key in server.keys().await {
        let left: u64 = server.say(&[b"PTTL", key.as_bytes()]).await;
        // Pieces outlast the rest by a patience for each of them, and one more.
        assert!(
            (3_500_000..=3_840_000).contains(&left),
            "{key} has {left} ms"
        );
    }
}

#[tokio::test]
async fn times_beyond_all_measure_are_long_and_no_time_is_short() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, Duration::MAX).await;
    assert!(store.renew(&lease, Duration::MAX).await);
    assert!(store.finish(lease, answer("long"), Duration::MAX).await);
    assert_eq!(finished(claim(&store).await), "long");
    let () = server.say(&[b"FLUSHALL"]).await;
    granted(store.claim(&CALL, Duration::ZERO).await);
    claim_in_the_end(&store).await;
}

#[tokio::test]
async fn a_large_answer_is_kept_in_pieces() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let bytes: Vec<u8> = (0..(8 << 20) - 1_000_u32)
        .map(|n| (n % 251).to_le_bytes()[0])
        .collect();
    let lease = lease(&one, LONG).await;
    assert!(one.finish(lease, answer(bytes.clone()), LONG).await);
    assert_eq!(finished(claim(&other).await), bytes);

    let keys = server.keys().await;
    assert_eq!(keys.len(), 16, "{keys:?}");
    for key in keys.iter().filter(|key| *key != KEY) {
        let len: usize = server.say(&[b"STRLEN", key.as_bytes()]).await;
        assert!(len <= 512 << 10, "{len}");
    }
}

#[tokio::test]
async fn answers_of_all_lengths_about_a_piece_come_back_whole() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let first = lease(&store, LONG).await;
    assert!(store.finish(first, answer("x"), LONG).await);
    let size: i32 = server.say(&[b"HGET", KEY.as_bytes(), b"size"]).await;
    let head = size - 1;
    for len in (-2..=2).flat_map(|near| [512 << 10, 1 << 20].map(|piece| piece - head + near)) {
        let bytes = vec![7; usize::try_from(len).unwrap()];
        let () = server.say(&[b"FLUSHALL"]).await;
        let lease = lease(&store, LONG).await;
        assert!(store.finish(lease, answer(bytes.clone()), LONG).await);
        assert!(finished(claim(&store).await) == bytes, "{len}");
    }
}

#[tokio::test]
async fn an_answer_that_is_too_long_is_not_kept_and_its_call_is_free() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().max_bytes(1000);
    let lease = lease(&store, LONG).await;
    assert!(!store.finish(lease, answer(vec![0; 1000]), LONG).await);
    granted(claim(&store).await);
    assert_eq!(server.keys().await, [KEY]);
}

#[tokio::test]
async fn prefixes_keep_apart() {
    let Some(server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store().prefix("a:"), server.store().prefix("b:"));
    lease(&one, LONG).await;
    lease(&other, LONG).await;
    assert_eq!(server.keys().await.len(), 2);
}

#[tokio::test]
async fn a_claim_that_was_dropped_runs_out() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    store.check().await.unwrap();
    let mut dropped = store.claim(&CALL, Duration::from_millis(30));
    let polled = std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut dropped).poll(cx).is_pending())
    });
    assert!(polled.await);
    drop(dropped);
    claim_in_the_end(&store).await;
}

#[test]
fn debug_tells_neither_where_nor_how() {
    let store =
        buttress_idempotency_redis::RedisStore::new("redis://me:secret@somewhere/").unwrap();
    let shown = format!("{store:?} {:?}", Lease::new(CALL, 0xabcd));
    assert!(
        !shown.contains("secret") && !shown.contains("somewhere"),
        "{shown}"
    );
    assert!(!shown.contains("abcd"), "{shown}");
}
