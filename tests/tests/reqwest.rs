//! The retry layer around a `reqwest::Client`, over real sockets.
#![allow(clippy::unwrap_used, reason = "helpers of tests may panic, too")]

use std::time::Duration;

use buttress::classify::Profile;
use buttress::core::{Backoff, Outcome};
use buttress::retry::RetryLayer;
use buttress_testkit::body::{ScriptedBody, Step};
use buttress_testkit::upstream::{Behaviour, Cut, Script, Server, Upstream};
use tower::{Layer, ServiceExt};

/// A client that takes no proxy from the environment.
fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn layer() -> RetryLayer<Profile> {
    RetryLayer::llm(Profile::OPENAI).backoff(Backoff::constant(Duration::from_millis(1)))
}

async fn server(behaviours: impl IntoIterator<Item = Behaviour>) -> Server {
    let upstream = Upstream::new(Script::sequence(behaviours));
    upstream.record_bodies(1 << 20);
    Server::start(upstream).await
}

fn post(server: &Server, body: impl Into<reqwest::Body>) -> reqwest::Request {
    let url = format!("{}/echo", server.url());
    client().post(url).body(body).build().unwrap()
}

#[tokio::test]
async fn a_request_with_its_body_in_memory_is_sent_again() {
    let server = server([Behaviour::status(529), Behaviour::status(500)]).await;
    let retry = layer().layer(client());
    let response = retry.oneshot(post(&server, "a prompt")).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "a prompt");
    assert_eq!(server.upstream().counts().calls, 3);
}

#[tokio::test]
async fn p17_a_streaming_body_goes_out_and_is_sent_again() {
    let server = server([Behaviour::status(503)]).await;
    let body = ScriptedBody::new([Step::data("a "), Step::Pending, Step::data("prompt")])
        .unknown_size()
        .conservative_end();
    let request = post(&server, reqwest::Body::wrap(body));
    let response = layer().layer(client()).oneshot(request).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "a prompt");
    assert_eq!(server.upstream().counts().calls, 2);
}

#[tokio::test]
async fn a_reset_without_an_answer_is_ambiguous_and_a_refused_connection_is_not() {
    let reset = Behaviour::well().cut_before_head(Cut::Reset);
    let server = server([reset.clone(), reset]).await;
    let careful = layer().layer(client());
    assert!(careful.oneshot(post(&server, "hi")).await.is_err());
    assert_eq!(server.upstream().counts().calls, 1);
    let bold = layer().retry_ambiguous(true).layer(client());
    assert_eq!(
        bold.oneshot(post(&server, "hi")).await.unwrap().status(),
        200
    );

    let refused = post(&server, "hi");
    let budget = buttress::retry::RetryBudget::default();
    drop(server);
    let service = layer().budget(budget.clone()).layer(client());
    let error = service.oneshot(refused).await.unwrap_err();
    assert!(error.is_connect(), "{error:?}");
    assert_eq!(budget.tokens(), 500 - 2 * 14, "tried again, twice");
}

#[tokio::test]
async fn a_failed_response_carries_its_outcome() {
    let server = server([Behaviour::status(401)]).await;
    let response = layer()
        .layer(client())
        .oneshot(post(&server, "hi"))
        .await
        .unwrap();
    assert_eq!(response.status(), 401);
    let outcome: &Outcome = response.extensions().get().unwrap();
    assert!(!outcome.is_retryable());
}
