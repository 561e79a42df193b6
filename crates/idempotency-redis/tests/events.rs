//! The events of this store, whose names and fields are part of its API.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use std::time::Duration;

use buttress_idempotency::IdempotencyStore;
use buttress_testkit::events::Lines;

use kit::{KEY, LONG, Server, answer, claim, claim_in_the_end, lease};

#[tokio::test]
async fn an_outage_is_said_once_when_it_begins_and_once_when_it_ends() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let lines = Lines::of("buttress::idempotency_redis");
    let store = server.store();
    let lease = lease(&store, LONG).await;
    assert_eq!(lines.take(), [""; 0], "an ordinary day is silent");

    server.stop();
    for _ in 0..5 {
        claim(&store).await;
    }
    let said = lines.take();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(
        said[0].starts_with("WARN message=redis is down error="),
        "{said:?}"
    );

    store.renew(&lease, LONG).await;
    store.release(lease).await;
    let failed = |what| {
        format!("WARN message=redis failed call=00000000 what=\"{what}\" error=redis: I/O error")
    };
    assert_eq!(lines.take(), [failed("renew"), failed("release")]);

    server.restart().await;
    while store.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    store.check().await.unwrap();
    assert_eq!(lines.take(), ["INFO message=redis is up"]);
}

#[tokio::test]
async fn an_answer_that_is_fenced_off_or_unreadable_is_said() {
    let Some(server) = Server::start().await else {
        return;
    };
    let lines = Lines::of("buttress::idempotency_redis");
    let store = server.store();
    let stale = lease(&store, Duration::from_millis(30)).await;
    claim_in_the_end(&store).await;
    assert!(!store.finish(stale, answer("stale"), LONG).await);
    assert_eq!(lines.take(), ["WARN message=fenced off call=00000000"]);

    let () = server
        .say(&[b"HSET", KEY.as_bytes(), b"size", b"nonsense"])
        .await;
    claim(&store).await;
    assert_eq!(lines.take(), ["WARN message=unreadable call=00000000"]);
}
