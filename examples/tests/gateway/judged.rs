//! Streams that fail under status 200, before their first content: nobody notices.

use buttress_testkit::upstream::{Behaviour, Cut, Script, provider};
use http::StatusCode;

use crate::harness::{Answer, Scene, scene};

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

#[tokio::test]
async fn a_stream_that_ends_before_its_first_event_is_tried_again() {
    for api in APIS {
        api.heals(events([])).await; // which its head says already: `content-length: 0`
        api.heals(Behaviour::well().end_after(0).trailer("x-sum", "0"))
            .await; // chunked
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
async fn a_head_is_an_answer_so_that_no_flag_is_needed_to_ask_again() {
    for api in APIS {
        for failing in [
            Behaviour::well().error_event_after(1),
            Behaviour::well().end_after(1),
            Behaviour::well().cut_after(1, Cut::Close),
            Behaviour::well().cut_after(1, Cut::Reset),
        ] {
            let shown = format!("{}: {failing:?}", api.profile);
            let script = Script::sequence([failing]);
            let scene = api.before(script, &["--retry-ambiguous", "off"]).await;
            assert_eq!(api.ask(&scene).await.attempts(), 2, "{shown}");
        }
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
