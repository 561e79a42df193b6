//! Streams that fail under status 200: before their first content nobody notices, after it everybody may.

use buttress_testkit::upstream::{Behaviour, Cut, Script, provider};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Answer, Gateway, Scene, read_all, read_until, scene, soon};

const STREAM: &str = r#"{"stream":true}"#;

/// Where a dialect is spoken, how many of its events come before the content, and how it ends.
struct Api {
    profile: &'static str,
    path: &'static str,
    before_content: usize,
    last: &'static str,
}

const APIS: [Api; 2] = [
    Api {
        profile: "openai",
        path: "/v1/chat/completions",
        before_content: 1, // the role
        last: "data: [DONE]\n\n",
    },
    Api {
        profile: "anthropic",
        path: "/v1/messages",
        before_content: 3, // `message_start`, `content_block_start`, `ping`
        last: "data: {\"type\":\"message_stop\"}\n\n",
    },
];

impl Api {
    async fn before(&self, script: impl Into<Script>, flags: &[&str]) -> Scene {
        let flags = [&["--profile", self.profile], flags].concat();
        scene(script, &flags).await
    }

    async fn ask(&self, scene: &Scene) -> Answer {
        scene.gateway.post(self.path, STREAM).await
    }

    /// The first stream fails in this way, and the client sees the second one alone.
    async fn heals(&self, failing: Behaviour) {
        let shown = format!("{}: {failing:?}", self.profile);
        let scene = self.before(Script::sequence([failing]), &[]).await;
        let healed = self.ask(&scene).await;
        assert_eq!(
            (healed.status, healed.attempts()),
            (StatusCode::OK, 2),
            "{shown}"
        );
        assert!(healed.body.ends_with(self.last.as_bytes()), "{shown}");
        let well = self.ask(&scene).await;
        assert_eq!(well.attempts(), 1);
        assert_eq!(healed.body, well.body, "{shown}");
        assert_eq!(scene.upstream.counts().calls, 3);
    }
}

fn events<const N: usize>(events: [&'static str; N]) -> Behaviour {
    Behaviour::well().pieces("text/event-stream", events)
}

const CUTS: [Cut; 2] = [Cut::Close, Cut::Reset];

// ===== before content =====

#[tokio::test]
async fn a_stream_that_ends_before_its_first_event_is_tried_again() {
    for api in APIS {
        // What may have trailers is chunked, and its head does not say that it is empty.
        api.heals(events([]).trailer("x-sum", "0")).await;
        for cut in CUTS {
            api.heals(Behaviour::well().cut_after(0, cut)).await;
        }
    }
}

#[tokio::test]
async fn comments_pings_and_first_events_without_text_are_not_content() {
    for api in APIS {
        api.heals(events([": OPENROUTER PROCESSING\n\n", ": ping\n\n"]))
            .await;
        api.heals(Behaviour::well().tokens(0).without_terminator())
            .await;
        for cut in CUTS {
            let comment = events([": ping\n\n"]);
            api.heals(comment.cut_after(1, cut)).await;
            let silent = Behaviour::well().cut_after(api.before_content, cut);
            api.heals(silent.clone()).await;
            // Cut into chunks anywhere, the events are still what they are.
            api.heals(silent.chunk_size(7)).await;
        }
    }
}

#[tokio::test]
async fn an_error_event_before_content_is_tried_again() {
    for api in APIS {
        for before in 0..=api.before_content {
            api.heals(Behaviour::well().error_event_after(before)).await;
            api.heals(Behaviour::well().error_event_then_terminator(before))
                .await;
        }
    }
}

#[tokio::test]
async fn an_error_event_is_an_answer_which_may_be_asked_again_without_a_flag() {
    for api in APIS {
        let script = Script::sequence([Behaviour::well().error_event_after(1)]);
        let scene = api.before(script, &["--retry-ambiguous", "off"]).await;
        assert_eq!(api.ask(&scene).await.attempts(), 2, "{}", api.profile);
    }
}

#[tokio::test]
async fn an_error_event_about_the_request_itself_is_not_tried_again() {
    let error = concat!(
        "event: error\ndata: {\"type\":\"error\",\"error\":",
        "{\"type\":\"invalid_request_error\",\"message\":\"no\"}}\n\n"
    );
    let [_, anthropic] = APIS;
    let scene = anthropic.before(events([error]), &[]).await;
    let answer = anthropic.ask(&scene).await;
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 1));
    assert_eq!(answer.body, error);
}

#[tokio::test]
async fn the_last_of_all_failing_streams_is_what_the_client_sees() {
    for api in APIS {
        let scene = api
            .before(Behaviour::well().error_event_after(0), &[])
            .await;
        let answer = api.ask(&scene).await;
        let error = match api.profile {
            "openai" => provider::openai::SERVER_ERROR,
            _ => provider::anthropic::OVERLOADED,
        };
        assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 3));
        assert!(
            answer
                .body
                .ends_with(format!("data: {error}\n\n").as_bytes())
        );
        assert_eq!(scene.upstream.counts().calls, 3);
    }
}

// ===== after content =====

const ROLE: &str =
    "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n";
const TEXT: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Grüß\"}}]}\n\n";
const ERROR: &str = "data: {\"error\":{\"type\":\"server_error\",\"message\":\"m\"}}\n\n";

#[tokio::test]
async fn an_error_event_after_content_passes_byte_for_byte_and_nothing_is_repeated() {
    let said = [": ping\n\n", ROLE, TEXT, ERROR, "data: [DONE]\n\n"];
    let scene = scene(events(said), &[]).await;
    let [openai, _] = APIS;
    let answer = openai.ask(&scene).await;
    assert_eq!((answer.status, answer.attempts()), (StatusCode::OK, 1));
    assert_eq!(answer.body, said.concat());
    assert_eq!(scene.upstream.counts().calls, 1);
}

/// An upstream whose end is in the test's own hands, so that the client has its content before that.
struct Hand {
    gateway: Gateway,
    upstream: TcpListener,
}

impl Hand {
    async fn start() -> Self {
        let upstream = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", upstream.local_addr().unwrap());
        let gateway = Gateway::before(url, &[]).await;
        Self { gateway, upstream }
    }

    /// Takes a call and answers with a role and some text.
    async fn begin(&self) -> TcpStream {
        let (mut call, _) = soon(self.upstream.accept()).await.unwrap();
        read_until(&mut call, STREAM).await;
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n";
        let chunks = [ROLE, TEXT].map(|event| format!("{:X}\r\n{event}\r\n", event.len()));
        let answer = format!("{head}\r\n{}", chunks.concat());
        call.write_all(answer.as_bytes()).await.unwrap();
        call
    }

    /// Whether the log says that it was called once and that the answer broke off.
    async fn saw_one_call_cut(self) -> bool {
        let (_, log) = self.gateway.stop().await;
        let mut lines = log.lines();
        lines.any(|line| line.contains("attempts=1 ") && line.contains("outcome=cut"))
    }
}

fn cut(call: TcpStream, cut: Cut) {
    if cut == Cut::Reset {
        call.set_zero_linger().unwrap();
    }
    drop(call);
}

#[tokio::test]
async fn a_stream_that_dies_after_content_is_broken_for_a_client_of_http_1() {
    for how in CUTS {
        let hand = Hand::start().await;
        let mut client = hand.gateway.connect().await;
        let request = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 15\r\n\r\n{STREAM}");
        client.write_all(request.as_bytes()).await.unwrap();
        let call = hand.begin().await;
        let answer = read_until(&mut client, TEXT).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-buttress-attempts: 1\r\n"), "{answer}");
        cut(call, how);
        let rest = read_all(client).await;
        assert!(
            !rest.contains("0\r\n\r\n"),
            "{how:?}: the last chunk came: {rest}"
        );
        assert!(hand.saw_one_call_cut().await, "{how:?}");
    }
}

#[tokio::test]
async fn a_stream_that_dies_after_content_is_reset_for_a_client_of_http_2() {
    for how in CUTS {
        let hand = Hand::start().await;
        let request = hand.gateway.begin_http2(Request::post("/"), STREAM);
        let (answer, call) = tokio::join!(request, hand.begin());
        assert_eq!(answer.status(), StatusCode::OK);
        let mut body = answer.into_body();
        let mut read = Vec::new();
        while read.len() < ROLE.len() + TEXT.len() {
            let frame = soon(body.frame()).await.unwrap().unwrap();
            read.extend(frame.into_data().unwrap());
        }
        assert_eq!(read, [ROLE, TEXT].concat().as_bytes());
        cut(call, how);
        let error = soon(body.frame()).await.unwrap().unwrap_err();
        let source = std::error::Error::source(&error).unwrap();
        let reset = source.downcast_ref::<h2::Error>().unwrap();
        assert!(reset.is_reset() && reset.is_remote(), "{how:?}: {reset}");
        assert!(hand.saw_one_call_cut().await, "{how:?}");
    }
}
