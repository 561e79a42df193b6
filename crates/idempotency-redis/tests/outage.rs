//! A server that is away, and one that comes back.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "helpers of tests may panic, too, and processes are told apart as tasks"
)]

mod kit;

use std::error::Error;
use std::time::Duration;

use buttress_idempotency::{Claim, IdempotencyStore, Lease};
use buttress_idempotency_redis::{RedisStore, StoreUnavailable};
use buttress_testkit::redis::free_port;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};

use kit::{CALL, LONG, Server, answer, claim, finished, granted, in_flight, lease};

fn nowhere() -> RedisStore {
    RedisStore::new(&format!("redis://127.0.0.1:{}/", free_port())).unwrap()
}

#[track_caller]
fn refused(claim: Claim) -> StoreUnavailable {
    match claim {
        Claim::Refused(error) => error.downcast_ref::<StoreUnavailable>().unwrap().clone(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unkept(claim: &Claim) {
    assert!(matches!(claim, Claim::Unkept(_)), "{claim:?}");
}

#[tokio::test]
async fn without_a_server_one_that_fails_open_lets_calls_be_made() {
    unkept(&claim(&nowhere()).await);
    unkept(&claim(&nowhere().fail_closed().fail_open()).await);
}

#[tokio::test]
async fn without_a_server_one_that_fails_closed_refuses_calls() {
    let error = refused(claim(&nowhere().fail_closed()).await);
    assert_eq!(error.to_string(), "redis: I/O error");
    assert!(error.source().is_some());
}

#[tokio::test]
async fn without_a_server_nothing_is_kept_and_nobody_waits_for_ever() {
    let store = nowhere().patience(Duration::from_millis(50));
    let lease = Lease::new(CALL, 1);
    // Nobody can tell: the call goes on as if it were held.
    assert!(store.renew(&lease, LONG).await);
    assert!(!store.finish(lease, answer("lost"), LONG).await);
    store.release(lease).await;
    assert!(store.check().await.is_err());
}

#[test]
fn what_is_no_url_is_refused_and_not_repeated() {
    for url in [
        "",
        "redis",
        "http://localhost/",
        "redis://:secret@[/",
        "redis://h/secret",
        "redis://h/?protocol=secret",
    ] {
        let error = RedisStore::new(url).unwrap_err();
        let shown = format!("{error} {error:?} {:?}", error.source());
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[tokio::test]
async fn a_wrong_password_is_said_when_it_is_asked_for_and_fails_like_no_server() {
    let Some(server) = Server::with(&["--requirepass", "right"]).await else {
        return;
    };
    let url = |password| server.url().replace("redis://", password);
    for password in ["redis://", "redis://:wrong@", "redis://nobody:wrong@"] {
        let store = RedisStore::new(&url(password)).unwrap();
        let error = store.check().await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(
            !shown.contains("wrong@") && !shown.contains("right"),
            "{shown}"
        );
        let shown = shown.to_lowercase();
        assert!(
            shown.contains("authenticat") || shown.contains("noauth"),
            "{shown}"
        );
        unkept(&claim(&store).await);
        refused(claim(&store.fail_closed()).await);
    }
    let store = RedisStore::new(&url("redis://:right@")).unwrap();
    store.check().await.unwrap();
    granted(claim(&store).await);
}

/// As the crate's page says.
#[tokio::test]
async fn a_user_of_its_own_needs_no_more_rights_than_are_documented() {
    let Some(server) = Server::start().await else {
        return;
    };
    let page = include_str!("../src/lib.rs");
    let rights = page
        .split('`')
        .find(|code| code.starts_with("+eval"))
        .unwrap();
    let words: Vec<_> = rights.split(' ').map(str::as_bytes).collect();
    let user = [
        &b"ACL"[..],
        b"SETUSER",
        b"me",
        b"on",
        b">mine",
        b"~buttress:*",
    ];
    let () = server.say(&[&user[..], &words].concat()).await;
    let url = server.url().replace("redis://", "redis://me:mine@");
    let store = RedisStore::new(&url).unwrap().patience(LONG).fail_closed();
    store.check().await.unwrap();

    let first = lease(&store, LONG).await;
    assert!(store.renew(&first, LONG).await);
    in_flight(&claim(&store).await);
    store.release(first).await;
    let second = lease(&store, LONG).await;
    assert!(store.finish(second, answer(vec![7; 2 << 20]), LONG).await);
    assert_eq!(finished(claim(&store).await).len(), 2 << 20);
    let () = server.say(&[b"FLUSHALL"]).await;
    let () = server
        .say(&[b"HSET", kit::KEY.as_bytes(), b"x", b"y"])
        .await;
    granted(claim(&store).await);
}

#[tokio::test]
async fn a_server_that_may_not_write_fails_like_none() {
    let Some(server) = Server::with(&["--maxmemory", "1"]).await else {
        return;
    };
    unkept(&claim(&server.store()).await);
    refused(claim(&server.store().fail_closed()).await);
}

/// A server that has been promoted, or the other way round, keeps its connections.
#[tokio::test]
async fn a_server_that_has_become_a_replica_is_left_for_a_new_connection() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    store.check().await.unwrap();
    let port = free_port().to_string();
    let () = server
        .say(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()])
        .await;
    let before = server.connections().await;
    unkept(&claim(&store).await);
    assert_eq!(server.connections().await, before + 2);
    let () = server.say(&[b"REPLICAOF", b"NO", b"ONE"]).await;
    is_back(&store).await;
}

#[tokio::test]
async fn a_connection_that_was_lost_in_an_idle_moment_is_made_anew() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().fail_closed();
    store.check().await.unwrap();
    let _: i64 = server.say(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).await;
    let lease = granted(claim(&store).await);
    let _: i64 = server.say(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).await;
    assert!(store.finish(lease, answer("kept"), LONG).await);
    let _: i64 = server.say(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).await;
    assert_eq!(finished(claim(&store).await), "kept");
}

#[tokio::test]
async fn a_hundred_who_find_the_connection_lost_share_the_next_one() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().fail_closed();
    store.check().await.unwrap();
    let before = server.connections().await;
    let _: i64 = server.say(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).await;
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.check().await })
        })
        .collect();
    for asked in asking {
        asked.await.unwrap().unwrap();
    }
    // The one that killed, the next one, and the one that asks.
    assert_eq!(server.connections().await, before + 3);
}

/// Everything in it is gone.
#[tokio::test]
async fn a_lease_outlives_a_restart_of_the_server_that_has_forgotten_it() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let (one, other) = (server.store(), server.store());
    let lease = lease(&one, LONG).await;
    in_flight(&claim(&other).await);

    server.stop();
    unkept(&claim(&other).await);
    assert!(one.renew(&lease, LONG).await);
    server.restart().await;
    assert!(server.keys().await.is_empty());

    is_back(&one).await;
    is_back(&other).await;
    assert!(one.renew(&lease, LONG).await);
    in_flight(&claim(&other).await);
    assert!(one.finish(lease, answer("kept"), LONG).await);
    assert_eq!(finished(claim(&other).await), "kept");
}

#[tokio::test]
async fn an_answer_outlives_a_restart_of_a_server_that_writes_it_down() {
    let persistent = ["--appendonly", "yes", "--appendfsync", "always"];
    let Some(mut server) = Server::with(&persistent).await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, LONG).await;
    assert!(store.finish(lease, answer(vec![7; 2 << 20]), LONG).await);
    server.stop();
    server.restart().await;
    is_back(&store).await;
    assert_eq!(finished(claim(&store).await).len(), 2 << 20);
}

#[tokio::test]
async fn an_answer_waits_a_little_for_a_server_that_restarts() {
    let Some(mut server) = Server::start().await else {
        return;
    };
    let store = server.store().patience(LONG);
    let lease = lease(&store, LONG).await;
    server.stop();
    unkept(&claim(&store).await);
    let finishing = {
        let store = store.clone();
        tokio::spawn(async move { store.finish(lease, answer("patient"), LONG).await })
    };
    sleep(Duration::from_millis(50)).await;
    server.restart().await;
    assert!(finishing.await.unwrap());
    assert_eq!(finished(claim(&server.store()).await), "patient");
}

#[tokio::test]
async fn an_answer_waits_a_little_for_a_server_that_is_busy() {
    let Some(server) = Server::with(&["--busy-reply-threshold", "1"]).await else {
        return;
    };
    let store = server.store().patience(LONG);
    let lease = lease(&store, LONG).await;
    let mut connection = server.connect().await;
    let busy = tokio::spawn(async move {
        let mut endless = redis::cmd("EVAL");
        endless.arg("while true do end").arg(0);
        endless.query_async::<()>(&mut connection).await
    });
    sleep(Duration::from_millis(50)).await;
    let finishing = {
        let store = store.clone();
        tokio::spawn(async move { store.finish(lease, answer("patient"), LONG).await })
    };
    sleep(Duration::from_millis(50)).await;
    assert!(!finishing.is_finished());
    let () = server.say(&[b"SCRIPT", b"KILL"]).await;
    assert!(busy.await.unwrap().is_err());
    assert!(finishing.await.unwrap());
    assert_eq!(finished(claim(&store).await), "patient");
}

#[tokio::test]
async fn a_server_that_refuses_an_answer_gives_its_call_back() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let lease = lease(&store, LONG).await;
    let limit = async |bytes: &[u8]| {
        let () = server.say(&[b"CONFIG", b"SET", b"maxmemory", bytes]).await;
    };
    limit(b"1").await;
    assert!(!store.finish(lease, answer("a"), LONG).await);
    limit(b"0").await;
    granted(claim(&store).await);
}

#[tokio::test]
async fn a_patience_beyond_all_measure_is_no_panic() {
    let store = nowhere().patience(Duration::MAX);
    for _ in 0..2 {
        unkept(&claim(&store).await);
        sleep(Duration::from_millis(250)).await; // until it is looked for again
    }
}

/// Passes on what the server says at four megabytes a second.
async fn slow_line(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(async move {
                let (mut asks, mut hears) = client.split();
                let (mut says, mut is_told) = server.split();
                let mut piece = vec![0; 64 << 10];
                let slowly = async {
                    while let Ok(len @ 1..) = says.read(&mut piece).await {
                        sleep(Duration::from_micros(len as u64 / 4)).await;
                        hears.write_all(&piece[..len]).await.unwrap();
                    }
                };
                tokio::join!(slowly, tokio::io::copy(&mut asks, &mut is_told))
            });
        }
    });
    url
}

#[tokio::test]
async fn an_answer_that_takes_long_to_read_is_read() {
    let Some(server) = Server::start().await else {
        return;
    };
    let first = lease(&server.store(), LONG).await;
    assert!(
        server
            .store()
            .finish(first, answer(vec![7; 8 << 20]), LONG)
            .await
    );
    let url = slow_line(server.url().replace("redis://", "").replace('/', "")).await;
    let store = RedisStore::new(&url)
        .unwrap()
        .patience(Duration::from_millis(1500));
    let from = Instant::now();
    assert_eq!(finished(claim(&store).await).len(), 8 << 20);
    assert!(
        from.elapsed() > Duration::from_millis(1500),
        "as slow as it was to be"
    );
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_once_and_not_by_everybody() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().patience(Duration::from_secs(1));
    store.check().await.unwrap();
    server.freeze();
    let from = Instant::now();
    unkept(&claim(&store).await);
    for _ in 0..100 {
        unkept(&claim(&store).await);
    }
    // Each by itself would have waited for half a second.
    assert!(
        from.elapsed() < Duration::from_secs(10),
        "{:?}",
        from.elapsed()
    );
    server.thaw();
    is_back(&store).await;
    // It had heard the first one, and answers when nobody waits for that any more. This lease will run out.
    in_flight(&claim(&store).await);
}

#[tokio::test]
async fn while_one_finds_out_whether_the_server_is_back_nobody_waits_for_him() {
    let Some(server) = Server::start().await else {
        return;
    };
    server.freeze();
    let store = server.store().patience(Duration::from_secs(2));
    unkept(&claim(&store).await);
    // It is left alone for a while, and then somebody asks.
    sleep(Duration::from_millis(250)).await;
    let first = {
        let store = store.clone();
        tokio::spawn(async move { store.check().await })
    };
    tokio::task::yield_now().await;
    assert!(store.check().await.is_err());
    assert!(!first.is_finished(), "he waited, too");
    server.thaw();
    is_back(&store).await;
}

#[tokio::test]
async fn an_answer_is_given_up_when_a_server_stays_silent() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().patience(Duration::from_millis(200));
    let lease = lease(&store, LONG).await;
    server.freeze();
    let from = Instant::now();
    assert!(!store.finish(lease, answer(vec![0; 4 << 20]), LONG).await);
    store.release(lease).await;
    assert!(
        from.elapsed() < Duration::from_secs(5),
        "{:?}",
        from.elapsed()
    );
    server.thaw();
}

#[tokio::test]
async fn a_port_that_accepts_and_says_nothing_holds_nobody_up() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", silent.local_addr().unwrap());
    let store = RedisStore::new(&url)
        .unwrap()
        .patience(Duration::from_millis(100));
    let claims: Vec<_> = (0..100)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { claim(&store).await })
        })
        .collect();
    let from = Instant::now();
    for claim in claims {
        unkept(&claim.await.unwrap());
    }
    assert!(
        from.elapsed() < Duration::from_secs(5),
        "{:?}",
        from.elapsed()
    );
}

#[tokio::test]
async fn a_port_that_closes_at_once_holds_nobody_up() {
    let rude = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}/", rude.local_addr().unwrap());
    std::thread::spawn(move || rude.incoming().for_each(drop));
    let store = RedisStore::new(&url).unwrap().fail_closed();
    let from = Instant::now();
    for _ in 0..100 {
        refused(claim(&store).await);
    }
    assert!(
        from.elapsed() < Duration::from_secs(5),
        "{:?}",
        from.elapsed()
    );
}

/// It is noticed within a fraction of a second, and nobody has to do anything for it.
async fn is_back(store: &RedisStore) {
    let by = Instant::now() + LONG;
    while store.check().await.is_err() {
        assert!(Instant::now() < by, "it does not come back");
        sleep(Duration::from_millis(10)).await;
    }
}
