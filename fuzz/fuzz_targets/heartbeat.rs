//! Any bytes, in any chunks, with a heartbeat wanted anywhere: a client reads the same events as without,
//! and nothing panics.
//!
//! A byte 1 in the input cuts the stream there, a byte 2 cuts it and wants a heartbeat; neither is sent.

#![no_main]

use buttress_heartbeat::{Form, Injector};
use buttress_sse::Parser;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sse/tests/reference/mod.rs"]
mod reference;
#[path = "../../crates/heartbeat/tests/sticky/mod.rs"]
mod sticky;

use reference::{Seen, parse, read};

const CUT: u8 = 1;
const BEAT: u8 = 2;

fuzz_target!(|input: &[u8]| {
    let is_mark = |byte: &u8| matches!(*byte, CUT | BEAT);
    let stream: Vec<u8> = input
        .iter()
        .copied()
        .filter(|byte| !is_mark(byte))
        .collect();
    let expected = read(&stream);
    let marked = stream.starts_with(b"\xEF\xBB\xBF");
    for form in [Form::Auto, Form::Blank, Form::Line] {
        let sent = sent(form, input);
        let whole = sent.concat();
        assert_eq!(client(&sent), expected, "{form:?}");
        assert_eq!(read(&whole), expected, "{form:?}");
        // The decoder that keeps its id stumbles over the mark, and over that form.
        if !marked && form != Form::Blank {
            assert_eq!(sticky::read(&whole), sticky::read(&stream), "{form:?}");
        }
    }
});

/// The chunks as they go out, comments included.
fn sent(form: Form, input: &[u8]) -> Vec<Bytes> {
    let mut injector = Injector::new(form);
    let mut sent = Vec::new();
    for piece in input.split_inclusive(|byte| matches!(*byte, CUT | BEAT)) {
        let (chunk, last) = match piece {
            [chunk @ .., last @ (CUT | BEAT)] => (chunk, *last),
            chunk => (chunk, CUT),
        };
        let mut chunk = Bytes::copy_from_slice(chunk);
        injector.follow(&mut chunk);
        sent.push(chunk);
        if last == BEAT {
            sent.extend(injector.comment());
        }
    }
    sent
}

fn client(sent: &[Bytes]) -> Seen {
    parse(Parser::new(), sent.iter().map(AsRef::as_ref))
}
