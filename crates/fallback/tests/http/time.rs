//! How much time there is.

use std::time::Duration;

use buttress_body::ReplayBody;
use buttress_classify::Profile;
use buttress_core::Deadline;
use buttress_fallback::Tier;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;

use crate::{by, chat, down, layer, send, tier, well};

#[tokio::test(start_paused = true)]
async fn no_upstream_is_asked_when_no_time_is_left_but_an_answer_of_our_own_is_given() {
    for (millis, served) in [(999, "sorry"), (1_000, "sorry"), (1_001, "b")] {
        let (a, b) = (down(), well());
        let layer = layer()
            .tier(tier("b", &b))
            .answer("sorry", |_, _| Some(Response::new(Bytes::new())));
        let mut request = chat();
        let now = Instant::now().into_std();
        let deadline = Deadline::after(now, Duration::from_millis(millis));
        request.extensions_mut().insert(deadline);
        let response = send(&layer, &a, request).await.unwrap();
        assert_eq!(by(&response).name(), served, "{millis} ms left");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tier_sees_the_deadline_and_what_else_the_caller_put_in() {
    let deadline = Deadline::after(Instant::now().into_std(), Duration::from_secs(60));
    let b = tower::service_fn(move |request: Request<_>| async move {
        let seen = request.extensions().get::<Deadline>() == Some(&deadline);
        drop::<ReplayBody<Full<Bytes>>>(request.into_body());
        Response::builder()
            .status(if seen { 200 } else { 400 })
            .body(Full::<Bytes>::default())
    });
    let layer = layer().tier(Tier::upstream("b", b, Profile::OPENAI));
    let mut request = chat();
    request.extensions_mut().insert(deadline);
    assert_eq!(send(&layer, &down(), request).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_time_that_the_handler_around_has_is_known_without_being_told() {
    for (millis, served) in [(1_000, "sorry"), (1_001, "b")] {
        let (a, b) = (down(), well());
        let layer = layer()
            .tier(tier("b", &b))
            .answer("sorry", |_, _| Some(Response::new(Bytes::new())));
        let now = Instant::now().into_std();
        let deadline = Deadline::after(now, Duration::from_millis(millis));
        let mut request = chat();
        let later = Deadline::after(now, Duration::from_secs(60));
        request.extensions_mut().insert(later);
        let mut call = std::pin::pin!(send(&layer, &a, request));
        let in_scope =
            std::future::poll_fn(|cx| Deadline::scope(Some(deadline), || call.as_mut().poll(cx)));
        let response = in_scope.await.unwrap();
        assert_eq!(by(&response).name(), served, "{millis} ms left");
    }
}
