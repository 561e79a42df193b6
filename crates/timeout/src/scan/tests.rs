use buttress_sse::Parser;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const PINGS: &[&str] = &["ping", "keepalive"];

fn has_content(stream: &str) -> bool {
    Scan::new(PINGS).has_content(stream.as_bytes())
}

#[test]
fn comments_and_pings_are_no_content() {
    for liveness in [
        ": OPENROUTER PROCESSING\n\n",
        ":\n",
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event:keepalive\r\ndata: x\r\n\r\n",
        "data: {\"type\":\"keepalive\",\"sequence_number\":466}\n\n",
        "data: : keepalive\n\n",
        "data:\n\n",
        "data\n\n",
        "id: 7\nretry: 5\n\n",
        "event: message_start\n\n",
    ] {
        assert!(!has_content(liveness), "{liveness:?}");
    }
    for content in [
        "data: x\n\n",
        "\u{feff}data: x",
        "event: pinged\ndata: x",
        "event: ping\n\ndata: x",
        "event: ping\ndata: x\n\nevent: delta\ndata: x\n\n",
        "event: ping\nevent: delta\ndata: x\n\n",
        "data: {\"type\":\"pinged\"}\n",
        "data: [DONE]\n\n",
        "id: 7\rdata:  x\r",
    ] {
        assert!(has_content(&format!("{content}\n")), "{content:?}");
    }
}

#[test]
fn a_long_line_of_data_is_content_all_the_way() {
    let mut scan = Scan::new(PINGS);
    assert!(
        !scan.has_content(b"event: image\ndata: {\"b64"),
        "too little to tell"
    );
    for _ in 0..100 {
        assert!(scan.has_content(&[b'x'; 100]));
    }
    scan.has_content(b"\n");
    assert!(!scan.has_content(b": a comment\n"));
}

#[test]
fn after_a_skip_a_line_that_is_cut_is_not_taken_for_a_field() {
    let mut scan = Scan::new(PINGS);
    scan.skip_to_line();
    assert!(!scan.has_content(b"data: the end of some line\n"));
    assert!(scan.has_content(b"data: a line of its own\n"));
}

/// What a client that dispatches whole events would see: is there any with content?
fn model(stream: &[u8]) -> bool {
    let (mut parser, mut rest) = (Parser::new(), stream);
    let mut found = false;
    while let Ok(Some(event)) = parser.next_event(&mut rest) {
        let (name, data) = (event.name(), event.data());
        let is_ping = PINGS.contains(&&*name);
        found |= !is_ping && !data.is_empty() && !data.starts_with(':');
    }
    found
}

proptest! {
    #[test]
    fn however_it_is_cut_it_finds_what_a_parser_finds(
        events in prop::collection::vec(
            (
                select(vec!["", "event: ping", "event:keepalive", "event: delta", "event", "id: 7"]),
                select(vec!["data: x", "data:", "data: : ka", ": c", "data", "datax: y", "data:  ", "x"]),
            ),
            0..5,
        ),
        end in select(vec!["\n", "\r\n", "\r"]),
        cuts in prop::collection::vec(0_usize..200, 0..6),
    ) {
        let mut stream = String::new();
        for (name, data) in &events {
            for line in [name, data] {
                if !line.is_empty() {
                    stream.extend([line, end]);
                }
            }
            stream.push_str(end);
        }
        // A parser waits for what follows a CR in order to tell what it is.
        stream.push_str(": the end\n");
        let bytes = stream.as_bytes();
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let mut scan = Scan::new(PINGS);
        let mut found = false;
        for cut in cuts.windows(2) {
            found |= scan.has_content(&bytes[cut[0]..cut[1]]);
        }
        prop_assert_eq!(found, model(bytes), "{:?}", stream);
    }
}
