//! Any bytes, in any chunks: the parser reads what the specification says, the boundary moves
//! nowhere, and neither panics.

#![no_main]

use buttress_sse::{Boundary, Parser, Safe};
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sse/tests/reference/mod.rs"]
mod reference;

use reference::{parse, read};

/// Long streams are cut at so many places, evenly.
const CUTS: usize = 32;

/// Small enough to be met.
const LIMITS: [usize; 3] = [0, 5, 17];

fuzz_target!(|stream: &[u8]| {
    let whole = parse(Parser::new(), [stream]);
    assert_eq!(whole, read(stream));
    assert_eq!(whole, parse(Parser::new(), stream.chunks(1)));
    for (before, after) in cuts(stream) {
        assert_eq!(whole, parse(Parser::new(), [before, after]));
    }

    for max in LIMITS {
        for parser in [Parser::max_line_bytes, Parser::max_event_bytes] {
            let limited = parse(parser(Parser::new(), max), [stream]);
            assert!(whole.events.starts_with(&limited.events));
            assert_eq!(limited, parse(parser(Parser::new(), max), stream.chunks(1)));
            assert!(limited.failed.is_some() || limited == whole);
        }
    }

    let end = follow([stream]);
    assert_eq!(end, follow(stream.chunks(1)));
    assert!(end.1 || whole.last_event_id.is_empty());
    for (before, after) in cuts(stream) {
        assert_eq!(end, follow([before, after]));
        let comment: &[u8] = match follow([before]).0 {
            Safe::No => continue,
            Safe::Line => b": a\n",
            Safe::Blank => b": a\n\n",
        };
        assert_eq!(whole, parse(Parser::new(), [before, comment, after]));
    }
});

fn cuts(stream: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let step = stream.len() / CUTS + 1;
    (0..=stream.len())
        .step_by(step)
        .map(|at| stream.split_at(at))
}

fn follow<'c>(chunks: impl IntoIterator<Item = &'c [u8]>) -> (Safe, bool) {
    let mut boundary = Boundary::new();
    chunks.into_iter().for_each(|chunk| boundary.push(chunk));
    (boundary.safe(), boundary.seen_id())
}
