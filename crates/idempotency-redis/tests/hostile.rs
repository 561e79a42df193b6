//! What others have written in place of an answer.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

mod kit;

use std::time::Duration;

use buttress_idempotency::{Claim, IdempotencyStore};
use buttress_idempotency_redis::StoreUnavailable;

use kit::{KEY, LONG, Server, answer, claim, finished, granted, in_flight, lease};

/// Hashes that are none of ours, as fields and values.
const HOSTILE: [&[&[u8]]; 11] = [
    &[b"token", b"t", b"size", b"0", b"front", b""],
    &[
        b"token",
        b"t",
        b"size",
        b"5",
        b"front",
        b"\xff\xff\xff\xff\xff",
    ],
    &[b"token", b"t", b"size", b"5"],
    &[b"token", b"t", b"size", b"-1", b"front", b"x"],
    &[b"token", b"t", b"size", b"1e3", b"front", b"x"],
    &[b"token", b"t", b"size", b"\xc3\x28", b"front", b"x"],
    &[
        b"token",
        b"t",
        b"size",
        b"18446744073709551615",
        b"front",
        b"x",
    ],
    &[
        b"token",
        b"t",
        b"size",
        b"99999999999999999999999999",
        b"front",
        b"x",
    ],
    // Promises a megabyte, and has one byte.
    &[b"token", b"t", b"size", b"1048576", b"front", b"\x01"],
    &[b"token", b"", b"size", b"1", b"front", b"\x01"],
    &[b"token", b"t", b"size", b"", b"front", b"\x01"],
];

async fn write(server: &Server, fields: &[&[u8]]) {
    let () = server.say(&[b"FLUSHALL"]).await;
    let command = [&[b"HSET", KEY.as_bytes()], fields].concat();
    let () = server.say(&command).await;
}

#[tokio::test]
async fn what_is_no_answer_is_thrown_away_and_the_call_made_anew() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    for hostile in HOSTILE {
        write(&server, hostile).await;
        let lease = granted(claim(&store).await);
        assert!(store.finish(lease, answer("good"), LONG).await);
        assert_eq!(finished(claim(&store).await), "good");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_refused_by_one_who_fails_closed() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().fail_closed();
    for hostile in HOSTILE {
        write(&server, hostile).await;
        let Claim::Refused(error) = claim(&store).await else {
            panic!("{hostile:?}")
        };
        let error: &StoreUnavailable = error.downcast_ref().unwrap();
        assert_eq!(error.to_string(), "redis: an answer that cannot be read");
    }
}

#[tokio::test]
async fn what_cannot_be_thrown_away_either_leaves_the_call_without_a_store() {
    let Some(server) = Server::start().await else {
        return;
    };
    let token = [b'x'; 1000];
    write(&server, &[b"token", &token, b"size", b"1", b"front", b"x"]).await;
    let claim = claim(&server.store()).await;
    assert!(matches!(claim, Claim::Unkept(_)), "{claim:?}");
}

#[tokio::test]
async fn a_first_piece_that_is_too_long_is_not_even_read() {
    let Some(server) = Server::start().await else {
        return;
    };
    let long = vec![1; (512 << 10) + 1];
    let size = long.len().to_string();
    write(
        &server,
        &[b"token", b"t", b"size", size.as_bytes(), b"front", &long],
    )
    .await;
    granted(claim(&server.store()).await);
}

#[tokio::test]
async fn a_key_of_another_type_is_as_good_as_no_server() {
    let Some(server) = Server::start().await else {
        return;
    };
    let () = server.say(&[b"SET", KEY.as_bytes(), b"a string"]).await;
    let open = claim(&server.store()).await;
    assert!(matches!(open, Claim::Unkept(_)), "{open:?}");
    let closed = claim(&server.store().fail_closed()).await;
    assert!(matches!(closed, Claim::Refused(_)), "{closed:?}");
}

#[tokio::test]
async fn fields_without_a_token_are_nobody_s() {
    let Some(server) = Server::start().await else {
        return;
    };
    write(&server, &[b"size", b"1", b"front", b"x"]).await;
    let store = server.store();
    granted(claim(&store).await);
    in_flight(&claim(&store).await);
}

#[tokio::test]
async fn an_answer_that_lacks_a_piece_is_none() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let first = lease(&store, LONG).await;
    assert!(store.finish(first, answer(vec![0; 2 << 20]), LONG).await);
    let keys = server.keys().await;
    let piece = keys.iter().find(|key| key.ends_with(":2")).unwrap();
    let () = server.say(&[b"DEL", piece.as_bytes()]).await;

    let closed = claim(&server.store().fail_closed()).await;
    assert!(matches!(closed, Claim::Refused(_)), "{closed:?}");
    granted(claim(&store).await);
    assert_eq!(server.keys().await, [KEY], "the other pieces are let go of");
}

#[tokio::test]
async fn an_answer_with_a_piece_that_is_too_long_or_too_short_is_none() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    for command in [&b"APPEND"[..], b"SET"] {
        let () = server.say(&[b"FLUSHALL"]).await;
        let first = lease(&store, LONG).await;
        assert!(store.finish(first, answer(vec![0; 1 << 20]), LONG).await);
        let keys = server.keys().await;
        let piece = keys.iter().find(|key| key.ends_with(":2")).unwrap();
        let () = server.say(&[command, piece.as_bytes(), b"xx"]).await;
        granted(claim(&store).await);
    }
}

#[tokio::test]
async fn of_a_piece_that_is_too_long_no_more_is_read_than_one_may_hold() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store();
    let first = lease(&store, LONG).await;
    assert!(store.finish(first, answer(vec![0; 1 << 20]), LONG).await);
    let keys = server.keys().await;
    let piece = keys.iter().find(|key| key.ends_with(":1")).unwrap();
    let end = (8 << 20).to_string();
    let () = server
        .say(&[b"SETRANGE", piece.as_bytes(), end.as_bytes(), b"x"])
        .await;

    let before = server.bytes_out().await;
    assert_eq!(finished(claim(&store).await).len(), 1 << 20);
    let read = server.bytes_out().await - before;
    assert!(read < 2 << 20, "{read}");
}

#[tokio::test]
async fn a_longer_answer_than_we_keep_is_not_read() {
    let Some(server) = Server::start().await else {
        return;
    };
    let first = lease(&server.store(), LONG).await;
    assert!(
        server
            .store()
            .finish(first, answer(vec![0; 2000]), LONG)
            .await
    );
    let closed = claim(&server.store().max_bytes(1000).fail_closed()).await;
    assert!(matches!(closed, Claim::Refused(_)), "{closed:?}");
}

#[tokio::test]
async fn an_answer_of_a_newer_version_is_not_read() {
    let Some(server) = Server::start().await else {
        return;
    };
    let store = server.store().fail_closed();
    let first = store.claim(&kit::CALL, Duration::from_secs(9)).await;
    assert!(store.finish(granted(first), answer("new"), LONG).await);
    let mut front: Vec<u8> = server.say(&[b"HGET", KEY.as_bytes(), b"front"]).await;
    front[0] += 1;
    let () = server
        .say(&[b"HSET", KEY.as_bytes(), b"front", &front])
        .await;
    let closed = claim(&store).await;
    assert!(matches!(closed, Claim::Refused(_)), "{closed:?}");
}
