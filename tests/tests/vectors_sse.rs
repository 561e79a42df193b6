//! The vectors about event streams.
//!
//! Every vector of a file agrees with parser, boundary and injector, or is listed here by its id with the reason
//! why not. A listed one that agrees is an error too, so that the lists cannot rot.

#![expect(
    clippy::unwrap_used,
    reason = "a vector of another shape is a broken file, and the test says where"
)]

use std::convert::Infallible;
use std::time::Duration;

use buttress_heartbeat::{Form, HeartbeatSseLayer, Injector};
use buttress_sse::{Boundary, Event, Parser, Safe};
use buttress_testkit::body::{ScriptedBody, Step, audit};
use buttress_testkit::probe::{Reply, ScriptedService};
use buttress_tests::{Listed, Suite, file, same};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};

#[test]
fn the_parser_agrees_with_browsers_and_their_tests() {
    judge("sse_parser", "vectors", "name", &[], |vector| {
        let chunks = chunks(&vector["chunks_hex"]);
        every_cut(&chunks).try_for_each(|cut| same(&client(&cut), &expected(vector)))
    });
}

#[test]
fn the_parser_agrees_with_the_streams_of_llm_apis() {
    const DROPPED: &str = "an event without data is none by WHATWG; the SDK hands it out";
    const EMPTY: &str =
        "empty data are data by WHATWG; that they hold no content is the observers'";
    const OBSERVED: &str = "the observers': what a ping or a terminator is, the profile says";
    let listed = [
        ("event_without_data", DROPPED),
        ("two_events_without_data", DROPPED),
        ("empty_data_line", EMPTY),
        ("anthropic_ping", OBSERVED),
        ("done_sentinel", OBSERVED),
        ("eof_without_terminator_openai", OBSERVED),
    ];
    judge("sse_streams", "vectors", "id", &listed, |vector| {
        let chunks = match &vector["input_hex"] {
            Value::Null => texts(&vector["input"])
                .map(|text| text.as_bytes().to_vec())
                .collect(),
            hex => chunks(hex),
        };
        every_cut(&chunks).try_for_each(|cut| {
            let ours = client(&cut);
            let (ours, theirs) = (array(&ours["events"]), array(&vector["expected"]));
            if ours.len() != theirs.len() {
                return Err(format!("{ours:?}, the vector says {theirs:?}"));
            }
            ours.iter()
                .zip(theirs)
                .try_for_each(|(ours, theirs)| same_event(ours, theirs))
        })
    });
}

#[test]
fn the_boundary_agrees_with_where_an_injector_may_speak() {
    const LOOK_AHEAD: &str = "a place behind a CR is safe once the next byte is known; the vector \
        looks ahead, the boundary does not";
    let listed = [("cr-only", LOOK_AHEAD)];
    judge("sse_injector", "vectors", "name", &listed, |vector| {
        let chunks = chunks(&vector["chunks_hex"]);
        same(&client(&chunks), &expected(vector))?;

        let mut boundary = Boundary::new();
        let mut after_bytes = 0;
        let mut at = |chunk: &[u8]| {
            boundary.push(chunk);
            after_bytes += chunk.len();
            let safe = boundary.safe();
            json!([after_bytes, safe >= Safe::Blank, safe >= Safe::Line])
        };
        let ours: Vec<_> = [&b""[..]]
            .into_iter()
            .chain(chunks.iter().map(Vec::as_slice))
            .map(&mut at)
            .collect();
        let theirs: Vec<_> = array(&vector["at_chunk_ends"])
            .iter()
            .map(|end| {
                json!([
                    end["after_bytes"],
                    end["heartbeat_blank"],
                    end["heartbeat_one_lf"]
                ])
            })
            .collect();
        same(&json!(ours), &json!(theirs))?;

        let stream = chunks.concat();
        let [blank, line] = [Safe::Blank, Safe::Line].map(|least| offsets(&stream, least));
        same(&json!(blank), &vector["safe_offsets_blank"])?;
        within(&blank, &vector["semantically_harmless_offsets_blank"])?;
        within(&line, &vector["semantically_harmless_offsets_one_lf"])
    });
}

/// What the boundary is for, with the two heartbeats of the vectors.
#[test]
fn a_heartbeat_at_each_safe_place_changes_nothing() {
    let file = file("sse_injector");
    let heartbeats = [
        ("heartbeat_blank", Safe::Blank),
        ("heartbeat_one_lf", Safe::Line),
    ];
    for (heartbeat, least) in heartbeats {
        let heartbeat = file[heartbeat].as_str().unwrap().as_bytes();
        let mut places = 0;
        for vector in array(&file["vectors"]) {
            let stream = chunks(&vector["chunks_hex"]).concat();
            for offset in offsets(&stream, least) {
                let (before, after) = stream.split_at(offset);
                let with = [before, heartbeat, after].map(<[u8]>::to_vec);
                let verdict = same(&client(&with), &expected(vector));
                assert_eq!(verdict, Ok(()), "{} at {offset}", vector["name"]);
                places += 1;
            }
        }
        assert!(places > 0);
    }
}

/// What is written here is the injector's; that a client understands it is the parser's.
#[test]
fn the_parser_agrees_with_rewritten_streams() {
    judge("sse_injector", "rewrite_vectors", "name", &[], |vector| {
        let output = unhex(vector["output_hex"].as_str().unwrap());
        every_cut(&[output]).try_for_each(|cut| same(&client(&cut), &expected(vector)))
    });
}

/// The same places, asked for between chunks that pass.
#[test]
fn the_injector_speaks_where_it_may() {
    const MARK: &str = "before the first byte it is safe to an injector that takes a byte order mark \
        out behind its comment, as the vector's own reason has it; ours does";
    let listed = [("nothing-sent-yet", MARK)];
    judge("sse_injector", "vectors", "name", &listed, |vector| {
        for form in [Form::Auto, Form::Blank, Form::Line] {
            let mut injector = Injector::new(form);
            let mut sent = Vec::new();
            for (chunk, end) in chunks(&vector["chunks_hex"])
                .into_iter()
                .zip(array(&vector["at_chunk_ends"]).iter().skip(1))
            {
                let mut chunk = Bytes::from(chunk);
                injector.follow(&mut chunk);
                sent.push(chunk.to_vec());
                let [blank, line] = ["heartbeat_blank", "heartbeat_one_lf"]
                    .map(|form| end[form].as_bool().unwrap());
                let may = if form == Form::Blank { blank } else { line };
                let comment = injector.comment().map(Vec::from);
                same(&json!(comment.is_some()), &json!(may))?;
                if comment
                    .as_ref()
                    .is_some_and(|comment| comment.ends_with(b"\n\n"))
                {
                    same(&json!(blank), &json!(true))?;
                }
                sent.extend(comment);
            }
            same(&client(&sent), &expected(vector))?;
        }
        Ok(())
    });
}

#[test]
fn the_injector_rewrites_the_beginning_of_a_stream_and_nothing_else() {
    const BEHIND_CR: &str = "a mode that changes line ends, which ours leaves alone: a stream whose \
        lines end in CR gets heartbeats before its first byte only";
    let listed = [("cr-pending-then-lf", BEHIND_CR)];
    judge(
        "sse_injector",
        "rewrite_vectors",
        "name",
        &listed,
        |vector| {
            let mut injector = Injector::new(Form::Blank);
            let mut sent = Vec::new();
            for step in texts(&vector["upstream"]) {
                let mut bytes = match step {
                    "<heartbeat due>" => injector.comment().unwrap_or_default(),
                    hex => Bytes::from(unhex(hex)),
                };
                if step != "<heartbeat due>" {
                    injector.follow(&mut bytes);
                }
                sent.extend_from_slice(&bytes);
            }
            let output = unhex(vector["output_hex"].as_str().unwrap());
            same(&json!(sent), &json!(output))
        },
    );
}

#[test]
fn which_answers_get_heartbeats_is_the_gates_to_say() {
    judge("sse_injector", "gate_vectors", "name", &[], |vector| {
        let (head, stream) = through_the_layer(vector);
        let injects = stream.contains(": keepalive");
        match &vector["inject"] {
            Value::Bool(inject) => same(&json!(injects), &json!(inject)),
            // Either way will do, but for one: what speaks of the very bytes must go with them.
            _ => {
                let fields = ["content-length", "content-digest", "repr-digest"];
                let kept = fields.into_iter().find(|field| head.contains_key(*field));
                same(&json!(injects && kept.is_some()), &json!(false))
            }
        }
    });
}

/// An answer as the vector has it, silent for 20 s: the head and the text that a client gets.
fn through_the_layer(vector: &Value) -> (HeaderMap, String) {
    let status = u16::try_from(vector["status"].as_u64().unwrap()).unwrap();
    let mut answer = Response::builder().status(status);
    for (name, value) in vector["headers"].as_object().unwrap() {
        answer = answer.header(name, value.as_str().unwrap());
    }
    let steps = [
        Step::data("data: a\n\n"),
        Step::Wait(Duration::from_secs(20)),
    ];
    let answer = answer.body(ScriptedBody::new(steps).conservative_end());
    let (inner, _handle) = ScriptedService::<_, _, Infallible>::new([Reply::Ok(answer.unwrap())]);
    let request = Request::builder().method(vector["method"].as_str().unwrap());
    let call = HeartbeatSseLayer::new()
        .layer(inner)
        .oneshot(request.body(()).unwrap());

    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (head, body) = call.await.unwrap().into_parts();
        let stream = audit(body).await.bytes();
        (head.headers, String::from_utf8(stream.to_vec()).unwrap())
    })
}

/// What was measured with real clients: none of them stumbles over what is sent by default.
#[test]
fn every_client_of_the_matrix_reads_what_the_automatic_form_sends() {
    let matrix = file("client_heartbeat_matrix");
    let clients = array(&matrix["clients"]);
    let comment = |before: &[u8]| {
        let mut injector = Injector::new(Form::Auto);
        injector.follow(&mut Bytes::copy_from_slice(before));
        injector.comment()
    };
    let stream = matrix["stream"].as_str().unwrap().replace("\\n", "\n");
    let (before, _) = stream.split_once(" | heartbeat").unwrap();
    let sent = comment(before.as_bytes()).unwrap();
    let form = if sent.ends_with(b"\n\n") {
        "blank"
    } else {
        "one_lf"
    };
    assert!(clients.len() >= 10);
    for client in clients {
        assert_eq!(client[form], "ok", "{client}");
    }
    let stumbles = |client: &&Value| client["blank"] != "ok";
    assert!(
        clients.iter().any(|client| stumbles(&client)),
        "or it would not matter"
    );

    // Without ids both forms are right, and the blank one is read by hand-written clients, too.
    assert_eq!(matrix["without_ids"], "all of the above ok with both forms");
    assert_eq!(comment(b"data: a\n\n").unwrap(), ": keepalive\n\n");
    let inside = &matrix["inserted_inside_an_event"];
    assert_eq!(inside["one_lf"], "ok in all four Python decoders");
    assert_eq!(comment(b"event: foo\n").unwrap(), ": keepalive\n");
    // Measured as wrong in all of them.
    assert!(matrix["between_cr_and_lf_of_a_field_line"].is_string());
    assert_eq!(comment(b"data: a\r"), None);
    assert!(matrix["before_bom"].is_string());
    let mut injector = Injector::new(Form::Auto);
    let mut stream = Bytes::from("\u{FEFF}data: a\n\n");
    assert!(injector.comment().is_some());
    injector.follow(&mut stream);
    assert_eq!(stream, "data: a\n\n");
}

/// Holds all vectors of a file's section against `check`, but for those that are listed.
fn judge(
    name: &str,
    section: &str,
    id: &str,
    listed: &[Listed],
    mut check: impl FnMut(&Value) -> Result<(), String>,
) {
    let mut suite = Suite::default();
    for vector in buttress_tests::section(&file(name), section) {
        suite.judge(vector[id].as_str().unwrap(), check(&vector));
    }
    suite.finish(listed);
}

fn within(ours: &[usize], theirs: &Value) -> Result<(), String> {
    if ours
        .iter()
        .all(|offset| array(theirs).contains(&json!(offset)))
    {
        return Ok(());
    }
    Err(format!("{ours:?}, the vector allows {theirs}"))
}

/// An event as a provider's SDK sees it, of which a vector may leave out what it is not about.
fn same_event(ours: &Value, theirs: &Value) -> Result<(), String> {
    for (key, value) in theirs.as_object().unwrap() {
        match key.as_str() {
            "event" if value.is_null() => same(&ours["type"], &json!(Event::MESSAGE))?,
            "event" => same(&ours["type"], value)?,
            "id" | "data" => same(&ours[key], value)?,
            "json" => {
                let data = ours["data"].as_str().unwrap();
                same(&serde_json::from_str(data).unwrap_or(Value::Null), value)?;
            }
            _ => return Err(format!("{key} is more than a parser knows")),
        }
    }
    Ok(())
}

/// All that a client learns from a stream.
fn client(chunks: &[Vec<u8>]) -> Value {
    let mut parser = Parser::new();
    let mut events = Vec::new();
    for chunk in chunks {
        let mut chunk = chunk.as_slice();
        while let Some(event) = parser.next_event(&mut chunk).unwrap() {
            events.push(json!({ "type": event.name(), "data": event.data(), "id": event.id() }));
        }
    }
    json!({
        "events": events,
        "last_event_id": parser.last_event_id(),
        "retry": parser.retry().map(|wait| u64::try_from(wait.as_millis()).unwrap()),
    })
}

fn expected(vector: &Value) -> Value {
    json!({
        "events": vector["expected_events"],
        "last_event_id": vector["last_event_id"],
        "retry": vector["retry"],
    })
}

/// As the vector cuts the stream, not at all, and between any two bytes.
fn every_cut(chunks: &[Vec<u8>]) -> impl Iterator<Item = Vec<Vec<u8>>> {
    let whole = chunks.concat();
    let bytes = whole.chunks(1).map(<[u8]>::to_vec).collect();
    [chunks.to_vec(), bytes, vec![whole]].into_iter()
}

/// After how many bytes at least so much may be put into a stream.
fn offsets(stream: &[u8], least: Safe) -> Vec<usize> {
    let mut boundary = Boundary::new();
    let safe_after = |offset: &usize| {
        if let Some(last) = offset.checked_sub(1) {
            boundary.push(&stream[last..*offset]);
        }
        boundary.safe() >= least
    };
    (0..=stream.len()).filter(safe_after).collect()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    array(value).iter().map(|text| text.as_str().unwrap())
}

fn chunks(hex: &Value) -> Vec<Vec<u8>> {
    texts(hex).map(unhex).collect()
}

fn unhex(hex: &str) -> Vec<u8> {
    let bytes = (0..hex.len()).step_by(2);
    bytes
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}
