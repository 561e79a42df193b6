//! Errors as reqwest really gives them.

use std::net::SocketAddr;
use std::time::Duration;

use crate::upstream::{answering, framing, nobody, resetting, rst_stream, silent};
use buttress_classify::Profile;
use buttress_classify::transport::transport;
use buttress_core::{Acceptance, Classify, Kind, Outcome, Reason, Timer};
use reqwest::{Client, ClientBuilder, Error, Response};

#[tokio::test]
async fn a_refused_connection_is_proof_that_nothing_was_taken_on() {
    let error = fails(nobody().await).await;
    assert_reads(&error, Some(Reason::Refused), Acceptance::Rejected);
}

#[tokio::test]
async fn f18_a_reset_without_an_answer_proves_nothing() {
    let error = fails(resetting("").await).await;
    assert_reads(&error, Some(Reason::Reset), Acceptance::Unknown);
}

#[tokio::test]
async fn a_body_cut_short_is_seen_behind_its_error() {
    let upstream = answering("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf").await;
    let error = get(client(), upstream)
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap_err();
    assert_reads(&error, Some(Reason::Reset), Acceptance::Unknown);
}

#[tokio::test]
async fn f18_its_own_time_limit_proves_nothing() {
    let client = client().timeout(Duration::from_millis(20));
    let error = get(client, silent().await).await.unwrap_err();
    let total = Some(Reason::Timeout(Timer::Total));
    assert_reads(&error, total, Acceptance::Unknown);
}

#[tokio::test]
async fn a_refused_stream_is_given_back_unprocessed() {
    let upstream = framing(|stream| rst_stream(stream, h2::Reason::REFUSED_STREAM)).await;
    let client = client().http2_prior_knowledge();
    let error = get(client, upstream).await.unwrap_err();
    assert_reads(&error, Some(Reason::Unprocessed), Acceptance::Rejected);
}

#[tokio::test]
async fn f26_an_error_of_our_own_side_is_never_retryable() {
    let client = Client::new();
    let relative = client.get("/relative").send().await.unwrap_err();
    let header = client.get("http://upstream/").header("a", "\n");
    let header = header.send().await.unwrap_err();
    for error in [relative, header] {
        assert!(error.is_builder());
        assert_eq!(transport(&error), Outcome::LOCAL, "{error:?}");
    }
}

#[tokio::test]
async fn a_loop_of_redirects_would_go_round_again() {
    let upstream =
        answering("HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n").await;
    let error = get(client(), upstream).await.unwrap_err();
    assert!(error.is_redirect());
    assert_eq!(transport(&error).kind, Kind::Invalid);
}

#[tokio::test]
async fn an_answer_and_the_error_made_of_it_mean_the_same() {
    let upstream =
        answering("HTTP/1.1 503 Busy\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n").await;
    let mut response = get(client(), upstream).await.unwrap();

    let result: Result<_, &Error> = Ok(&response);
    let outcome = Profile::HTTP.classify(result).at_head();
    assert_eq!(outcome.kind, Kind::Overloaded);
    assert_eq!(outcome.retry_after, Some(Duration::from_secs(7)));

    let profile: &dyn Classify<Response, Error, Watch = buttress_core::Never> = &Profile::HTTP;
    profile.leave(&mut response, Outcome::TRUNCATED);
    assert_eq!(
        profile.classify(Ok(&response)).at_head(),
        Outcome::TRUNCATED
    );

    let error = response.error_for_status().unwrap_err();
    assert_eq!(transport(&error).kind, Kind::Overloaded);
}

fn client() -> ClientBuilder {
    Client::builder().no_proxy()
}

async fn get(client: ClientBuilder, upstream: SocketAddr) -> Result<Response, Error> {
    let client = client.build().unwrap();
    client.get(format!("http://{upstream}/")).send().await
}

async fn fails(upstream: SocketAddr) -> Error {
    get(client(), upstream).await.unwrap_err()
}

fn assert_reads(error: &Error, reason: Option<Reason>, acceptance: Acceptance) {
    let outcome = transport(error);
    let read = (outcome.kind, outcome.reason, outcome.acceptance);
    assert_eq!(read, (Kind::Transient, reason, acceptance), "{error:?}");
}
