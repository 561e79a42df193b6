//! What holds for any bytes in any chunks.

mod reference;

use std::time::Duration;

use buttress_sse::{Boundary, Encoder, Event, Parser, Safe};
use proptest::prelude::{
    Just, Strategy, any, prop, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use reference::{Seen, parse, read};

/// Bytes that are likely to mean something to a parser, and now and then any others.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        4 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n", "\r\n\r\n", "\r\r"])
            .prop_map(|end| end.as_bytes().to_vec()),
        4 => prop::sample::select(vec!["data", "data:", "data: ", "event: ", "id: ", "id", "retry: "])
            .prop_map(|field| field.as_bytes().to_vec()),
        2 => prop::sample::select(vec![":", " ", "\0", "i", "d", "a", "7", "99999999999999999999"])
            .prop_map(|part| part.as_bytes().to_vec()),
        1 => prop::sample::select(vec!["\u{FEFF}", "\u{2026}", "\u{2028}", "\u{85}", "\u{1F980}"])
            .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::sample::select(vec![0xEFu8, 0xBB, 0xBF, 0xE2, 0x80, 0xF0, 0x9F, 0xC0, 0xFF])
            .prop_map(|byte| vec![byte]),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    let start = prop_oneof![
        4 => Just(&b""[..]),
        1 => Just(&b"\xEF\xBB\xBF"[..]),
        1 => Just(&b"\xEF\xBB"[..]),
    ];
    (start, prop::collection::vec(token, 0..40))
        .prop_map(|(start, tokens)| [start.to_vec(), tokens.concat()].concat())
}

/// A stream and where to cut it.
fn cut_stream() -> impl Strategy<Value = (Vec<u8>, Vec<usize>)> {
    stream().prop_flat_map(|stream| {
        let cuts = prop::collection::vec(0..=stream.len(), 0..8);
        (Just(stream), cuts)
    })
}

fn chunks(stream: &[u8], mut cuts: Vec<usize>) -> Vec<&[u8]> {
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2)
        .map(|ends| &stream[ends[0]..ends[1]])
        .collect()
}

/// What can be written for an event, apart from its data.
#[derive(Debug, Clone)]
enum Written {
    Comment(String),
    Retry(u64),
    Event(Option<String>, Option<String>, String),
}

fn written() -> impl Strategy<Value = Written> {
    let text = "[ a:\u{2026}\u{1F980}\r\n]{0,8}";
    let name = prop::option::of("[ a:\u{2026}\0]{0,4}");
    let id = prop::option::of("[ a:\u{2026}]{0,4}");
    prop_oneof![
        text.prop_map(Written::Comment),
        any::<u64>().prop_map(Written::Retry),
        (name, id, text).prop_map(|(name, id, data)| Written::Event(name, id, data)),
    ]
}

proptest! {
    #[test]
    fn the_parser_reads_what_the_specification_says(stream in stream()) {
        prop_assert_eq!(parse(Parser::new(), [&stream[..]]), read(&stream));
    }

    #[test]
    fn cutting_a_stream_anywhere_changes_nothing((stream, cuts) in cut_stream()) {
        let whole = parse(Parser::new(), [&stream[..]]);
        prop_assert_eq!(&parse(Parser::new(), stream.chunks(1)), &whole);
        prop_assert_eq!(&parse(Parser::new(), chunks(&stream, cuts)), &whole);
    }

    #[test]
    fn a_limit_is_met_at_the_same_place_wherever_a_stream_is_cut(
        (stream, cuts) in cut_stream(),
        line in 0..24usize,
        event in 0..24usize,
    ) {
        let parser = || Parser::new().max_line_bytes(line).max_event_bytes(event);
        let whole = parse(parser(), [&stream[..]]);
        prop_assert_eq!(&parse(parser(), stream.chunks(1)), &whole);
        prop_assert_eq!(&parse(parser(), chunks(&stream, cuts)), &whole);

        let unlimited = read(&stream);
        if whole.failed.is_none() {
            prop_assert_eq!(whole, unlimited);
        } else {
            prop_assert!(unlimited.events.starts_with(&whole.events));
        }
    }

    #[test]
    fn cutting_a_stream_anywhere_moves_no_boundary((stream, cuts) in cut_stream()) {
        let [mut whole, mut bytewise, mut cut] = [(); 3].map(|()| Boundary::new());
        whole.push(&stream);
        stream.chunks(1).for_each(|byte| bytewise.push(byte));
        chunks(&stream, cuts).into_iter().for_each(|chunk| cut.push(chunk));
        for other in [bytewise, cut] {
            prop_assert_eq!(whole.safe(), other.safe());
            prop_assert_eq!(whole.seen_id(), other.seen_id());
        }
    }

    /// Not only the whole stream: wherever it ends after the comment, a client has seen the same.
    #[test]
    fn a_comment_where_it_is_safe_changes_nothing(stream in stream()) {
        let mut boundary = Boundary::new();
        for at in 0..=stream.len() {
            let (before, after) = stream.split_at(at);
            for (comment, needed) in [(": a\n", Safe::Line), (": a\n\n", Safe::Blank)] {
                if boundary.safe() < needed {
                    continue;
                }
                for end in 0..=after.len() {
                    let with = [before, comment.as_bytes(), &after[..end]].concat();
                    prop_assert_eq!(read(&with), read(&stream[..at + end]), "{} at {}", comment, at);
                }
            }
            after.iter().take(1).for_each(|byte| boundary.push(&[*byte]));
        }
    }

    #[test]
    fn an_id_is_seen_before_a_client_keeps_one(stream in stream()) {
        let mut boundary = Boundary::new();
        boundary.push(&stream);
        prop_assert!(boundary.seen_id() || read(&stream).last_event_id.is_empty());
    }

    #[test]
    fn what_is_written_is_read(
        written in prop::collection::vec(written(), 0..8),
        cut in 1..16usize,
    ) {
        let mut encoder = Encoder::new();
        let mut expected = Seen::default();
        for part in written {
            match part {
                Written::Comment(text) => drop(encoder.comment(&text)),
                Written::Retry(millis) => {
                    let wait = Duration::from_millis(millis);
                    encoder.retry(wait);
                    expected.retry = Some(wait);
                }
                Written::Event(name, id, data) => {
                    if let Some(name) = &name {
                        encoder.name(name).unwrap();
                    }
                    if let Some(id) = id {
                        encoder.id(&id).unwrap();
                        expected.last_event_id = id;
                    }
                    encoder.data(&data);
                    let name = name.filter(|name| !name.is_empty());
                    expected.events.push((
                        name.unwrap_or_else(|| Event::MESSAGE.to_owned()),
                        data.replace("\r\n", "\n").replace('\r', "\n"),
                        expected.last_event_id.clone(),
                    ));
                }
            }
        }
        let stream = encoder.take();
        prop_assert_eq!(parse(Parser::new(), stream.as_bytes().chunks(cut)), expected);
    }
}
