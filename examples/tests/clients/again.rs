//! A client whose connection breaks asks again, under the same key: the upstream is called once.

use std::time::Duration;

use buttress_testkit::upstream::{Behaviour, Script};

use crate::client::{Client, OPENAI_PYTHON_AGAIN};
use crate::cutting::Cutting;
use crate::harness::{Scene, scene};
use crate::report::Seen;
use crate::streams::OPENAI;

/// Asks for one answer, the first of which is lost behind so many bytes. `None` where the client is not installed.
async fn ask(name: &str, behaviour: Behaviour, after: u64) -> Option<(Seen, Scene)> {
    let client: Client = OPENAI_PYTHON_AGAIN;
    let script = Script::well().on(client.dialect.request(name), behaviour);
    let scene = scene(script, &[]).await;
    let relay = Cutting::before(scene.gateway.address, after).await;
    let mut report = client.read(relay.address, &[name.to_owned()]).await?;
    // Or else nothing was lost.
    assert_eq!(relay.connections(), 2);
    Some((report.remove(name).unwrap(), scene))
}

fn is_billed_once(scene: &Scene) {
    let counts = scene.upstream.counts();
    assert_eq!((counts.calls, counts.billed), (1, 1), "{counts:?}");
    let log = scene.gateway.log();
    assert!(log.contains("orphaned"), "{log}");
    assert!(log.contains("joined") || log.contains("replayed"), "{log}");
}

/// It has not seen the head, and does not know that there is one.
#[tokio::test]
async fn openai_python_loses_the_head_of_a_stream_and_gets_the_same_stream_again() {
    let stream = OPENAI.stream(false);
    let slow = Behaviour::well()
        .pieces(
            "text/event-stream",
            stream.wire.split_inclusive("\n\n").map(str::to_owned),
        )
        .chunk_delay(Duration::from_millis(50));
    let Some((seen, scene)) = ask(&stream.name, slow, 0).await else {
        return;
    };
    assert!(seen.is(&stream), "{seen:#?}");
    is_billed_once(&scene);
}

#[tokio::test]
async fn openai_python_loses_half_an_answer_and_gets_all_of_it() {
    let slow = Behaviour::well()
        .chunk_size(100)
        .chunk_delay(Duration::from_millis(50));
    // Into the body, which is of four pieces.
    let Some((seen, scene)) = ask("answer", slow, 250).await else {
        return;
    };
    let [answer] = &seen.events[..] else {
        panic!("{seen:#?}");
    };
    assert_eq!(answer["choices"][0]["finish_reason"], "stop", "{seen:#?}");
    is_billed_once(&scene);
}
