//! Bodies of answers.

use std::sync::{Arc, Mutex};

use buttress_body::ReplayBody;
use buttress_classify::Profile;
use buttress_core::BoxError;
use buttress_fallback::{FallbackBody, FallbackLayer, Http, ServedBy, Tier};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt};

use crate::{chat, down, layer};

#[tokio::test(start_paused = true)]
async fn bodies_of_primary_tier_and_memory_keep_the_contract() {
    let steps = || {
        ScriptedBody::new([
            Step::data("he"),
            Step::Pending,
            Step::data("llo"),
            Step::trailer("x-sum", "7"),
        ])
    };
    let reply = |status: u16| {
        ScriptedService::<Request<ReplayBody<Full<Bytes>>>, _, BoxError>::from_fn(move |_, _| {
            Reply::Ok(Response::builder().status(status).body(steps()).unwrap())
        })
        .0
    };
    let layer =
        FallbackLayer::http(Profile::HTTP).tier(Tier::upstream("b", reply(200), Profile::HTTP));
    for primary in [200, 503] {
        let response = layer.layer(reply(primary)).oneshot(chat()).await.unwrap();
        assert_eq!(
            response.extensions().get::<ServedBy>().is_some(),
            primary == 503
        );
        assert_eq!(response.body().size_hint().exact(), Some(5));
        let seen = audit(response.into_body()).await;
        assert_eq!(seen.data, ["he", "llo"]);
        assert_eq!(seen.trailers.unwrap()["x-sum"], "7");
    }
    let whole = FallbackBody::<Full<Bytes>>::whole("hello".into());
    assert_eq!(whole.size_hint().exact(), Some(5));
    assert_eq!(audit(whole).await.data, ["hello"]);
    assert!(FallbackBody::<Full<Bytes>>::whole(Bytes::new()).is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_does_so_once_and_is_let_go_of() {
    for at_primary in [true, false] {
        let handle = Arc::new(Mutex::new(None));
        let kept = Arc::clone(&handle);
        let b = ScriptedService::<Request<ReplayBody<Full<Bytes>>>, _, BoxError>::from_fn(
            move |_, _| {
                let body = ScriptedBody::new([Step::data("a"), Step::error("gone")]);
                *kept.lock().unwrap() = Some(body.handle());
                Reply::Ok(Response::new(body))
            },
        )
        .0;
        let response = if at_primary {
            let layer = FallbackLayer::<_, Http<Full<Bytes>, ScriptedBody>>::http(Profile::OPENAI);
            layer
                .layer(b)
                .oneshot(chat())
                .await
                .unwrap()
                .map(BodyExt::boxed)
        } else {
            let layer = layer().tier(Tier::upstream("b", b, Profile::HTTP));
            let answer = layer.layer(down().service()).oneshot(chat()).await;
            answer.unwrap().map(BodyExt::boxed)
        };
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "gone");
        assert!(handle.lock().unwrap().as_ref().unwrap().dropped());
        assert!(body.is_end_stream());
        assert!(body.frame().await.is_none());
    }
}
