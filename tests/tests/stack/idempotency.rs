//! Calls that are one, in the stacks as they come.
#![allow(
    clippy::disallowed_methods,
    reason = "what an executor runs is a task of its own"
)]

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use buttress::classify::Profile;
use buttress::core::BoxError;
use buttress::idempotency::{IdempotencyKeyLayer, IdempotencyLayer, Scope};
use buttress::respond::RespondLayer;
use buttress::stack::{inbound, outbound};
use buttress_testkit::upstream::{Behaviour, Cut, Script, Upstream};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{sleep, timeout};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

use crate::{OPENAI, SECOND, always, chat, keyed, send, well};

#[tokio::test(start_paused = true)]
async fn no_preset_takes_a_call_for_safe_that_only_a_key_would_make_so() {
    for profile in Profile::ALL {
        let lost = always(Behaviour::well().cut_before_head(Cut::Reset));
        let sent = send(outbound(profile).layer(lost.service()), chat()).await;
        assert!(sent.is_err(), "{}", profile.name());
        let calls = lost.calls();
        assert_eq!(calls.len(), 1, "{}", profile.name());
        assert!(!calls[0].headers.contains_key("idempotency-key"));
    }
}

/// The upstream has done what it was asked for, and the first answer is lost on its way.
#[tokio::test(start_paused = true)]
async fn a_key_is_one_call_where_it_is_honoured_and_two_where_it_is_ignored() {
    for (honours, billed) in [(true, 1), (false, 2)] {
        let upstream = well();
        let layer = IdempotencyLayer::new(OPENAI).scope(|_| Some(Scope::of("one tenant")));
        let server = layer.layer(upstream.service());
        let lost = Arc::new(AtomicBool::new(false));
        let wire = service_fn(move |mut request: Request<_>| {
            if !honours {
                request.headers_mut().remove("idempotency-key");
            }
            let (server, lost) = (server.clone(), lost.swap(true, SeqCst));
            async move {
                let answer = server.oneshot(request).await?;
                let body = answer.into_body().collect().await?.to_bytes();
                match lost {
                    true => Ok(Response::new(Full::new(body))),
                    false => Err(BoxError::from(io::Error::from(
                        io::ErrorKind::ConnectionReset,
                    ))),
                }
            }
        });
        let key = IdempotencyKeyLayer::new();
        let client = outbound(OPENAI).idempotency_key(key).layer(wire);
        send(client, chat()).await.unwrap();
        assert_eq!(upstream.counts().calls, billed);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_door_duplicates_are_one_call_whose_answer_is_kept() {
    let handler = always(Behaviour::well().chunk_delay(SECOND));
    let door = inbound().layer(handler.service());
    let (one, two) = tokio::join!(
        send(door.clone(), keyed("k")),
        send(door.clone(), keyed("k"))
    );
    assert_eq!(one.unwrap().body(), two.unwrap().body());
    let kept = send(door.clone(), keyed("k")).await.unwrap();
    assert_eq!(kept.headers()["idempotent-replayed"], "true");
    assert_eq!(handler.counts().calls, 1);

    let mut other = keyed("k");
    *other.body_mut() = Full::from("{}");
    assert_eq!(send(door.clone(), other).await.unwrap().status(), 422);
    // Nobody's key, and no key at all.
    let mut nobodys = keyed("k");
    nobodys.headers_mut().remove("authorization");
    send(door.clone(), nobodys).await.unwrap();
    send(door, chat()).await.unwrap();
    assert_eq!(handler.counts().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn what_failed_inside_and_was_answered_for_there_is_not_kept_at_the_door() {
    let dies = Behaviour::well().cut_after(3, Cut::Reset);
    let upstream = Upstream::new(Script::sequence([Behaviour::status(500), dies]));
    let client = ServiceBuilder::new()
        .layer(RespondLayer::new().after_retries(true))
        .layer(outbound(OPENAI).without_retry())
        .service(upstream.service());
    let door = inbound().layer(client);
    assert_eq!(send(door.clone(), keyed("k")).await.unwrap().status(), 500);
    let told = send(door.clone(), keyed("k")).await.unwrap();
    let told = String::from_utf8_lossy(told.body());
    assert!(told.contains("event: error\n"), "{told}");
    let whole = send(door.clone(), keyed("k")).await.unwrap();
    assert!(whole.body().ends_with(b"data: [DONE]\n\n"));
    send(door, keyed("k")).await.unwrap();
    assert_eq!(upstream.counts().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn at_the_door_streams_are_kept_whose_end_is_known() {
    let feed = || always(Behaviour::well().pieces("text/event-stream", ["data: a\n\n"]));
    for (path, handler, calls) in [
        ("/v1/chat/completions", well(), 1),
        ("/v1/messages", well(), 1),
        ("/feed", feed(), 2),
    ] {
        let door = inbound().layer(handler.service());
        for _ in 0..2 {
            let mut request = keyed("k");
            *request.uri_mut() = path.parse().unwrap();
            send(door.clone(), request).await.unwrap();
        }
        assert_eq!(handler.counts().calls, calls, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_callers_are_gone_waits_for_them_or_goes_on_where_it_may() {
    for (goes_on, door) in [
        (false, inbound()),
        (true, inbound().executor(|call| drop(tokio::spawn(call)))),
    ] {
        let handler = always(Behaviour::well().chunk_delay(SECOND / 10));
        let door = door.layer(handler.service());
        assert!(
            timeout(SECOND / 2, send(door.clone(), keyed("k")))
                .await
                .is_err()
        );
        sleep(SECOND * 20).await;
        assert_eq!(handler.counts().answers_completed, u64::from(goes_on));
        send(door, keyed("k")).await.unwrap();
        let counts = handler.counts();
        assert_eq!((counts.calls, counts.answers_completed), (1, 1));
    }
}
