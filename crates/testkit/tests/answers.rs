//! What the endpoints answer, well or in trouble.

mod common;

use buttress_testkit::{
    body::audit,
    upstream::{Behaviour, Script, Upstream, provider},
};
use http::{Method, Request};
use http_body::Body;
use http_body_util::Full;

use crate::common::{CHAT, MESSAGES, STREAM, call, events, json, post, status, text};

#[tokio::test]
async fn openai_answers_json() {
    let upstream = Upstream::new(Script::well());
    let response = call(&upstream, post(CHAT, r#"{"model":"m-\"1"}"#))
        .await
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/json");
    let length: u64 = response.headers()["content-length"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert_eq!(response.body().size_hint().exact(), Some(length));
    let answer = json(&text(response).await);
    assert_eq!(answer["model"], "m-\"1");
    assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    assert!(
        answer["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .starts_with("A flying")
    );
    assert_eq!(answer["usage"]["completion_tokens"], 20);
    assert_eq!(
        (upstream.counts().billed, upstream.counts().tokens),
        (1, 20)
    );
}

#[tokio::test]
async fn openai_streams_ending_in_done() {
    let upstream = Upstream::new(Behaviour::well().tokens(3));
    let request = r#"{"stream":true,"stream_options":{"include_usage":true}}"#;
    let response = call(&upstream, post(CHAT, request)).await.unwrap();
    assert!(
        response.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/event-stream")
    );
    assert!(!response.headers().contains_key("content-length"));
    let text = text(response).await;
    let events = events(&text);
    // The role, three tokens, the reason, the usage, the terminator.
    assert_eq!(events.len(), 7);
    assert_eq!(json(events[0])["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(json(events[1])["choices"][0]["delta"]["content"], "A");
    assert_eq!(json(events[4])["choices"][0]["finish_reason"], "stop");
    assert_eq!(json(events[5])["usage"]["completion_tokens"], 3);
    assert_eq!(events[6], "[DONE]");
    assert_eq!(upstream.counts().tokens, 3);
}

#[tokio::test]
async fn anthropic_answers_json() {
    let upstream = Upstream::new(Script::well());
    let answer = json(&text(call(&upstream, post(MESSAGES, "{}")).await.unwrap()).await);
    assert_eq!(
        (answer["type"].as_str(), answer["role"].as_str()),
        (Some("message"), Some("assistant"))
    );
    assert_eq!(answer["content"][0]["type"], "text");
    assert_eq!(answer["usage"]["output_tokens"], 20);
}

#[tokio::test]
async fn anthropic_streams_with_a_ping_ending_in_message_stop() {
    let upstream = Upstream::new(Behaviour::well().tokens(2));
    let text = text(call(&upstream, post(MESSAGES, STREAM)).await.unwrap()).await;
    let named: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("event: "))
        .collect();
    let events = events(&text);
    let types: Vec<_> = events
        .iter()
        .map(|event| json(event)["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(named, types);
    assert_eq!(
        types,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop"
        ]
    );
    assert_eq!(json(events[0])["message"]["model"], "m-1");
    assert_eq!(json(events[3])["delta"]["text"], "A");
}

#[tokio::test]
async fn an_error_event_replaces_the_rest_of_the_stream() {
    let upstream = Upstream::new(Behaviour::well().error_event_after(2));
    let openai = text(call(&upstream, post(CHAT, STREAM)).await.unwrap()).await;
    let openai = events(&openai);
    assert_eq!(openai.len(), 3);
    assert_eq!(json(openai[2])["error"]["type"], "server_error");

    let anthropic = text(call(&upstream, post(MESSAGES, STREAM)).await.unwrap()).await;
    assert!(anthropic.contains("event: error\n"));
    let anthropic = events(&anthropic);
    assert_eq!(
        json(anthropic.last().unwrap())["error"]["type"],
        "overloaded_error"
    );

    upstream.set_script(Behaviour::well().error_event_then_terminator(1));
    let vllm = text(call(&upstream, post(CHAT, STREAM)).await.unwrap()).await;
    let vllm = events(&vllm);
    assert!(json(vllm[1])["error"].is_object());
    assert_eq!(vllm[2], "[DONE]");
}

#[tokio::test]
async fn a_stream_may_end_without_its_terminator() {
    let upstream = Upstream::new(Behaviour::well().without_terminator());
    for (path, terminator) in [(CHAT, "[DONE]"), (MESSAGES, "message_stop")] {
        let text = text(call(&upstream, post(path, STREAM)).await.unwrap()).await;
        assert!(text.len() > 1000 && !text.contains(terminator));
    }
    assert_eq!(upstream.counts().answers_completed, 2);
}

#[tokio::test]
async fn a_stream_may_end_before_its_first_content_and_other_answers_stay_whole() {
    let upstream = Upstream::new(Behaviour::well().end_after(1));
    let chat = text(call(&upstream, post(CHAT, STREAM)).await.unwrap()).await;
    let [role] = events(&chat)[..] else {
        panic!("{chat}")
    };
    assert_eq!(json(role)["choices"][0]["delta"]["content"], "");
    let message = text(call(&upstream, post(MESSAGES, STREAM)).await.unwrap()).await;
    assert_eq!(json(events(&message)[0])["type"], "message_start");
    let whole = text(call(&upstream, post(CHAT, "{}")).await.unwrap()).await;
    assert!(json(&whole)["usage"].is_object());

    upstream.set_script(Behaviour::well().end_after(0));
    let nothing = text(call(&upstream, post(CHAT, STREAM)).await.unwrap()).await;
    assert_eq!(nothing, "");
}

#[tokio::test]
async fn each_endpoint_has_its_own_words_for_trouble() {
    let upstream = Upstream::new(Behaviour::overloaded());
    assert_eq!(status(&upstream, CHAT).await, 503);
    assert_eq!(status(&upstream, MESSAGES).await, 529);
    assert_eq!(status(&upstream, "/other").await, 503);
    upstream.set_script(Behaviour::out_of_quota());
    assert_eq!(status(&upstream, CHAT).await, 429);
    assert_eq!(status(&upstream, MESSAGES).await, 402);
    upstream.set_script(Behaviour::rate_limited().header("retry-after-ms", "120"));
    let response = call(&upstream, post(MESSAGES, "{}")).await.unwrap();
    assert_eq!(response.headers()["retry-after-ms"], "120");
    assert_eq!(
        json(&text(response).await)["error"]["type"],
        "rate_limit_error"
    );
    upstream.set_script(Behaviour::status(404));
    let response = call(&upstream, post(MESSAGES, "{}")).await.unwrap();
    assert_eq!(
        json(&text(response).await)["error"]["type"],
        "not_found_error"
    );
    upstream.set_script(Behaviour::server_error());
    assert_eq!(status(&upstream, CHAT).await, 500);
    assert_eq!(upstream.counts().billed, 0);
}

#[tokio::test]
async fn every_ready_made_error_body_is_json() {
    use provider::{anthropic, azure, openai, openrouter};
    for body in [
        openai::RATE_LIMIT,
        openai::INSUFFICIENT_QUOTA,
        openai::ENGINE_OVERLOADED,
        openai::OVERLOADED,
        openai::SERVER_ERROR,
        openai::CONTEXT_LENGTH,
        openai::INVALID_KEY,
        anthropic::OVERLOADED,
        anthropic::RATE_LIMIT,
        anthropic::BILLING,
        anthropic::API_ERROR,
        anthropic::INVALID_REQUEST,
        azure::RATE_LIMIT,
        openrouter::CREDITS,
        openrouter::MODERATION,
    ] {
        assert!(json(body)["error"].is_object(), "{body}");
    }
    let upstream = Upstream::new(Script::sequence([
        provider::json_error(429, openai::INSUFFICIENT_QUOTA),
        provider::gemini::rate_limit("45.837906927s"),
        provider::gemini::daily_quota(),
    ]));
    let mut answers = Vec::new();
    for _ in 0..3 {
        let response = call(&upstream, post("/", "")).await.unwrap();
        assert_eq!(response.status(), 429);
        answers.push(json(&text(response).await)["error"].clone());
    }
    assert_eq!(answers[0]["code"], "insufficient_quota");
    assert_eq!(answers[1]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(answers[1]["details"][1]["retryDelay"], "45.837906927s");
    let quota = answers[2]["details"][0]["violations"][0]["quotaId"]
        .as_str()
        .unwrap();
    assert!(quota.contains("PerDay"));
}

#[tokio::test]
async fn echo_gives_the_request_back() {
    let upstream = Upstream::new(Script::well());
    let request = Request::put("/echo?b=%2F&a//")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(Full::from("body"))
        .unwrap();
    let response = call(&upstream, request).await.unwrap();
    assert_eq!(response.headers()["x-echo-method"], "PUT");
    assert_eq!(response.headers()["x-echo-uri"], "/echo?b=%2F&a//");
    let fields: Vec<_> = response.headers().get_all("x-echo-field").iter().collect();
    assert_eq!(fields, ["x-twice: 1", "x-twice: 2"]);
    assert_eq!(text(response).await, "body");
}

#[tokio::test]
async fn plain_paths_answer_plainly() {
    let upstream = Upstream::new(Script::well());
    assert_eq!(status(&upstream, "/status/418").await, 418);
    assert_eq!(status(&upstream, "/status/none").await, 200);
    let seen = audit(
        call(&upstream, post("/bytes/200000", ""))
            .await
            .unwrap()
            .into_body(),
    )
    .await;
    assert_eq!((seen.bytes().len(), seen.data.len()), (200_000, 4));
    assert!(
        audit(
            call(&upstream, post("/bytes/0", ""))
                .await
                .unwrap()
                .into_body()
        )
        .await
        .data
        .is_empty()
    );
    assert_eq!(status(&upstream, "/bytes/99999999999").await, 400);
}

#[tokio::test]
async fn head_204_and_304_have_no_body() {
    let upstream = Upstream::new(Script::well());
    let head = Request::builder()
        .method(Method::HEAD)
        .uri("/bytes/5")
        .body(Full::default())
        .unwrap();
    let response = call(&upstream, head).await.unwrap();
    assert_eq!(response.headers()["content-length"], "5");
    assert!(response.body().is_end_stream());
    for path in ["/status/204", "/status/304"] {
        let response = call(&upstream, post(path, "")).await.unwrap();
        assert!(
            response.body().is_end_stream() && !response.headers().contains_key("content-length")
        );
        assert!(!response.headers().contains_key("content-type"));
    }
    assert_eq!(upstream.counts().answers_completed, 3);
}

#[tokio::test]
async fn trailers_follow_the_body() {
    let upstream = Upstream::new(
        Behaviour::well()
            .body("text/plain", "a")
            .trailer("x-end", "1"),
    );
    let seen = audit(call(&upstream, post("/", "")).await.unwrap().into_body()).await;
    assert_eq!(
        (&seen.bytes()[..], &seen.trailers.unwrap()["x-end"]),
        (&b"a"[..], &"1".parse().unwrap())
    );
}
