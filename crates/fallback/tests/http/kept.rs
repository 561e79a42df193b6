//! The last good answer.

use std::time::Duration;

use buttress_classify::Profile;
use buttress_fallback::{FallbackLayer, LastGood};
use buttress_testkit::upstream::{Behaviour, Cut, Upstream};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

use crate::{Traffic, by, chat, down, layer, send, tier, upstream, well};

fn kept() -> LastGood {
    LastGood::new(Profile::OPENAI, |head| {
        head.uri.path_and_query().map(ToString::to_string)
    })
    .one_for_all(true)
}

/// A primary that does these things, one after the other, and a store.
fn with_kept<const N: usize>(
    behaviours: [Behaviour; N],
    kept: &LastGood,
) -> (FallbackLayer<Profile, Traffic>, Upstream) {
    (
        layer().last_good("kept", kept.clone()),
        upstream(behaviours),
    )
}

#[tokio::test(start_paused = true)]
async fn the_last_good_answer_is_given_marked_as_stale() {
    let kept = kept();
    let good = Behaviour::status(200)
        .body("text/plain", "good")
        .header("set-cookie", "s=1")
        .header("x-own", "o");
    let (layer, a) = with_kept([good, Behaviour::status(503)], &kept);
    let first = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(first.body(), "good");
    tokio::time::advance(Duration::from_millis(7_900)).await;
    let again = send(&layer, &a, chat()).await.unwrap();
    assert_eq!(
        (again.status().as_u16(), again.body().as_ref()),
        (200, &b"good"[..])
    );
    assert!(by(&again).is_degraded());
    assert_eq!(again.headers()["age"], "7");
    assert_eq!(
        (
            &again.headers()["x-own"],
            &again.headers()["content-length"]
        ),
        (
            &HeaderValue::from_static("o"),
            &HeaderValue::from_static("4")
        )
    );
    assert!(
        !again.headers().contains_key("set-cookie"),
        "one caller's cookie is not another's"
    );
}

#[tokio::test(start_paused = true)]
async fn a_kept_answer_grows_too_old() {
    let kept = kept().max_age(Duration::from_secs(60));
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    send(&layer, &a, chat()).await.unwrap();
    tokio::time::advance(Duration::from_secs(61)).await;
    assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
}

#[tokio::test(start_paused = true)]
async fn one_callers_answer_is_not_given_to_another() {
    let kept = kept().one_for_all(false);
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    let with_key = |key: &'static str| {
        let mut request = chat();
        request
            .headers_mut()
            .insert("authorization", HeaderValue::from_static(key));
        request
    };
    send(&layer, &a, with_key("Bearer a")).await.unwrap();
    assert_eq!(
        send(&layer, &a, with_key("Bearer b"))
            .await
            .unwrap()
            .status(),
        503
    );
    assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
    assert_eq!(
        send(&layer, &a, with_key("Bearer a"))
            .await
            .unwrap()
            .status(),
        200
    );

    let shared = self::kept().one_for_all(true);
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &shared);
    send(&layer, &a, with_key("Bearer a")).await.unwrap();
    assert_eq!(
        send(&layer, &a, with_key("Bearer b"))
            .await
            .unwrap()
            .status(),
        200
    );
}

/// What the second of two calls gets while only the first was served.
async fn second(kept: LastGood, first: &[(&str, &str)], second: &[(&str, &str)]) -> u16 {
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    let mut status = 0;
    for headers in [first, second] {
        let mut request = chat();
        for (name, value) in headers {
            let name = HeaderName::try_from(*name).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        status = send(&layer, &a, request).await.unwrap().status().as_u16();
    }
    status
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_nobody_known_is_neither_kept_nor_given() {
    let scoped = || kept().one_for_all(false);
    assert_eq!(second(scoped(), &[], &[]).await, 503);
    let alice = [("x-forwarded-user", "alice")];
    assert_eq!(second(scoped(), &alice, &alice).await, 503);

    for header in ["xi-api-key", "x-litellm-api-key", "cf-access-jwt-assertion"] {
        let [alice, mallory] = ["alice", "mallory"].map(|key| [(header, key)]);
        assert_eq!(second(scoped(), &alice, &alice).await, 200, "{header}");
        assert_eq!(second(scoped(), &alice, &mallory).await, 503, "{header}");
        assert_eq!(second(scoped(), &alice, &[]).await, 503, "{header}");
    }
    // A proxy's key, and whom it speaks for.
    let [alice, mallory] =
        ["alice", "mallory"].map(|user| [("authorization", "proxy"), ("x-forwarded-user", user)]);
    assert_eq!(second(scoped(), &alice, &alice).await, 200);
    assert_eq!(second(scoped(), &alice, &mallory).await, 503);
}

#[tokio::test(start_paused = true)]
async fn an_application_may_say_whose_an_answer_is() {
    let by_user = || {
        kept().scope(|head| {
            let user = head.headers.get("x-forwarded-user")?;
            Some(user.to_str().ok()?.to_owned())
        })
    };
    let [alice, mallory] = ["alice", "mallory"].map(|user| [("x-forwarded-user", user)]);
    assert_eq!(second(by_user(), &alice, &alice).await, 200);
    assert_eq!(second(by_user(), &alice, &mallory).await, 503);
    let key = [("authorization", "proxy")];
    assert_eq!(second(by_user(), &key, &key).await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_private_answer_is_never_for_all() {
    let private = || Behaviour::status(200).header("cache-control", "max-age=1, Private=\"x\"");
    let kept = kept();
    let (layer, a) = with_kept([private()], &kept);
    send(&layer, &a, chat()).await.unwrap();
    assert!(kept.is_empty());
    let kept = kept.scope(|_| Some("alice".into()));
    let (layer, a) = with_kept([private()], &kept);
    send(&layer, &a, chat()).await.unwrap();
    assert_eq!(kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_good_whole_and_permitted_answers_are_kept() {
    let stream = || {
        let mut request = chat();
        *request.body_mut() = Full::from(r#"{"model":"m","stream":true,"messages":[]}"#);
        request
    };
    for (behaviour, request, keeps) in [
        (
            Behaviour::status(200).body("text/plain", "whole"),
            chat(),
            1,
        ),
        (Behaviour::well(), stream(), 1),
        (Behaviour::well().without_terminator(), stream(), 0),
        (Behaviour::well().error_event_after(2), stream(), 0),
        (Behaviour::well().cut_after(2, Cut::Reset), stream(), 0),
        (Behaviour::status(404), chat(), 0),
        (Behaviour::status(206), chat(), 0),
        (
            Behaviour::status(200).header("cache-control", "private, No-Store"),
            chat(),
            0,
        ),
        (Behaviour::status(200).header("vary", "*"), chat(), 0),
        (
            Behaviour::status(200).body("text/plain", vec![b'x'; 20_001]),
            chat(),
            0,
        ),
        (
            Behaviour::status(200)
                .body("text/plain", "a")
                .trailer("x-sum", "7"),
            chat(),
            0,
        ),
    ] {
        let what = format!("{behaviour:?}");
        let kept = kept().max_entry(20_000);
        let (layer, a) = with_kept([behaviour], &kept);
        let read = send(&layer, &a, request).await;
        assert_eq!(
            kept.len(),
            keeps,
            "{what}, {:?}",
            read.map(|read| read.status())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_dropped_halfway_is_not_kept() {
    let kept = kept();
    let a = Behaviour::status(200)
        .body("text/plain", "hello")
        .chunk_size(2);
    let (layer, a) = with_kept([a], &kept);
    let response = layer.layer(a.service()).oneshot(chat()).await.unwrap();
    let mut body = response.into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert!(kept.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_degraded_answer_is_not_kept_as_good() {
    let kept = kept();
    let (a, b, c) = (down(), well(), well());
    let degraded = layer()
        .tier(tier("b", &b).degraded(true))
        .last_good("kept", kept.clone());
    send(&degraded, &a, chat()).await.unwrap();
    assert!(kept.is_empty());
    let as_good = layer().tier(tier("c", &c)).last_good("kept", kept.clone());
    send(&as_good, &a, chat()).await.unwrap();
    assert_eq!(kept.len(), 1);
}

fn sent(method: Method, headers: &[(&'static str, &'static str)]) -> Request<Full<Bytes>> {
    let mut request = chat();
    *request.method_mut() = method;
    for (name, value) in headers {
        let value = HeaderValue::from_static(value);
        request.headers_mut().append(*name, value);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_one_method_is_not_given_to_another() {
    let kept = kept();
    let (layer, a) = with_kept([Behaviour::status(200), Behaviour::status(503)], &kept);
    send(&layer, &a, sent(Method::GET, &[])).await.unwrap();
    for (method, status) in [
        (Method::DELETE, 503),
        (Method::POST, 503),
        (Method::HEAD, 503),
        (Method::GET, 200),
    ] {
        let answer = send(&layer, &a, sent(method.clone(), &[])).await.unwrap();
        assert_eq!(answer.status(), status, "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_to_those_who_ask_in_the_same_words() {
    let good = || Behaviour::status(200).body("text/plain", "packed");
    let good = || good().header("vary", "accept, Accept-Encoding");
    let gzip = ("accept-encoding", "gzip");
    for (again, status) in [
        (&[gzip][..], 200),
        (&[gzip, ("x-other", "1")], 200),
        (&[], 503),
        (&[("accept-encoding", "identity")], 503),
        (&[gzip, gzip], 503),
        (&[gzip, ("accept", "text/plain")], 503),
    ] {
        let (layer, a) = with_kept([good(), Behaviour::status(503)], &kept());
        send(&layer, &a, sent(Method::GET, &[gzip])).await.unwrap();
        let answer = send(&layer, &a, sent(Method::GET, again)).await.unwrap();
        assert_eq!(answer.status(), status, "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_old_when_it_was_kept_is_older_now() {
    for (said, age) in [("100", "103"), ("-1", "3"), ("soon", "3")] {
        let good = Behaviour::status(200).header("age", said);
        let (layer, a) = with_kept([good, Behaviour::status(503)], &kept());
        send(&layer, &a, chat()).await.unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        let again = send(&layer, &a, chat()).await.unwrap();
        assert_eq!(again.headers()["age"], age, "{said}");
    }
    for too_old in ["58", "18446744073709551616"] {
        let kept = kept().max_age(Duration::from_secs(60));
        let good = Behaviour::status(200).header("age", too_old);
        let (layer, a) = with_kept([good, Behaviour::status(503)], &kept);
        send(&layer, &a, chat()).await.unwrap();
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_nothing_is_kept_although_nobody_reads_it() {
    let kept = kept();
    let (layer, a) = with_kept([Behaviour::status(204)], &kept);
    let response = layer.layer(a.service()).oneshot(chat()).await.unwrap();
    assert!(response.body().is_end_stream(), "hyper asks no further");
    assert_eq!(kept.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_ends_in_trailers_is_not_kept_without_them() {
    let message = b"\0\0\0\0\x02hi";
    let call = |status| {
        let answer = Behaviour::status(200).body("application/grpc", &message[..]);
        answer.trailer("grpc-status", status)
    };
    for status in ["0", "14"] {
        let kept = kept();
        let (layer, a) = with_kept([call(status), Behaviour::status(503)], &kept);
        let answer = layer.layer(a.service()).oneshot(chat()).await.unwrap();
        let whole = answer.into_body().collect().await.unwrap();
        assert_eq!(whole.trailers().unwrap()["grpc-status"], status);
        assert!(kept.is_empty());
        assert_eq!(send(&layer, &a, chat()).await.unwrap().status(), 503);
    }
    // Cut before them, or let go of.
    let cut = Behaviour::status(200).body("application/grpc", &message[..]);
    for (behaviour, frames) in [(cut, 2), (call("0"), 1)] {
        let kept = kept();
        let (layer, a) = with_kept([behaviour], &kept);
        let answer = layer.layer(a.service()).oneshot(chat()).await.unwrap();
        let mut body = answer.into_body();
        for _ in 0..frames {
            drop(body.frame().await);
        }
        drop(body);
        assert!(kept.is_empty());
    }
    // All that it says stands in its head: whole without a body.
    let in_head = Behaviour::status(200)
        .body("application/grpc", "")
        .header("grpc-status", "0");
    let kept = kept();
    let (layer, a) = with_kept([in_head], &kept);
    send(&layer, &a, chat()).await.unwrap();
    assert_eq!(kept.len(), 1);
}
