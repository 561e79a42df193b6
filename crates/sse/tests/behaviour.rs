//! What the parser promises beyond what the specification says.

use buttress_sse::{Event, Limit, LimitExceeded, Parser};

fn all(parser: &mut Parser, mut chunk: &[u8]) -> Result<Vec<String>, LimitExceeded> {
    let mut data = Vec::new();
    while let Some(event) = parser.next_event(&mut chunk)? {
        data.push(event.data().into_owned());
    }
    Ok(data)
}

fn limit(error: LimitExceeded) -> (Limit, usize) {
    (error.limit(), error.max_bytes())
}

#[test]
fn an_event_within_one_chunk_is_lent_from_it() {
    let mut parser = Parser::new();
    for end in ["\n", "\r\n", "\r"] {
        let stream = format!("event: a{end}data: b{end}{end}");
        let mut chunk = stream.as_bytes();
        let lent = chunk.as_ptr_range();
        let event = parser.next_event(&mut chunk).unwrap().unwrap();
        assert!(lent.contains(&event.name_bytes().as_ptr()));
        assert!(lent.contains(&event.data_bytes().as_ptr()));
    }
}

#[test]
fn what_was_read_is_taken_off_the_chunk() {
    let mut parser = Parser::new();
    let mut chunk = &b"data: a\r\n\r\n: b\n\ndata: c\n\nda"[..];
    assert!(parser.next_event(&mut chunk).unwrap().is_some());
    assert_eq!(chunk, b": b\n\ndata: c\n\nda");
    assert!(parser.next_event(&mut chunk).unwrap().is_some());
    assert_eq!(chunk, b"da");
    assert!(parser.next_event(&mut chunk).unwrap().is_none());
    assert_eq!(chunk, b"");
}

#[test]
fn a_line_over_its_limit_fails_before_its_end_has_come() {
    let mut parser = Parser::new().max_line_bytes(8);
    assert_eq!(all(&mut parser, b"data: ab\n\ndata").unwrap(), ["ab"]);
    assert_eq!(all(&mut parser, b": ab").unwrap(), [""; 0]);
    assert_eq!(limit(all(&mut parser, b"c").unwrap_err()), (Limit::Line, 8));
}

#[test]
fn the_data_of_an_event_is_limited_over_all_its_lines() {
    let mut parser = Parser::new().max_event_bytes(4);
    assert_eq!(
        all(&mut parser, b"data: ab\ndata: c\n\n").unwrap(),
        ["ab\nc"]
    );
    let error = all(&mut parser, b"data: ab\ndata: cd\n").unwrap_err();
    assert_eq!(limit(error), (Limit::Event, 4));
    assert_eq!(
        error.to_string(),
        "the data of an event is longer than 4 bytes"
    );
}

#[test]
fn after_an_error_nothing_more_is_read_until_the_restart() {
    let mut parser = Parser::new().max_line_bytes(8);
    assert_eq!(all(&mut parser, b"id: 7\ndata: a\n\n").unwrap(), ["a"]);
    let error = all(&mut parser, b"retry: 5\nid: 8\ndata: much too long\n\n").unwrap_err();
    assert_eq!(all(&mut parser, b"\n\ndata: b\n\n"), Err(error));
    assert_eq!(parser.last_event_id(), "7");
    assert_eq!(parser.retry().unwrap().as_millis(), 5);

    parser.restart();
    let mut chunk = &b"\xEF\xBB\xBFdata: c\n\n"[..];
    let event = parser.next_event(&mut chunk).unwrap().unwrap();
    assert_eq!((event.data().as_ref(), event.id()), ("c", "7"));
}

#[test]
fn a_restart_forgets_what_was_under_way() {
    let mut parser = Parser::new();
    assert_eq!(
        all(&mut parser, b"id: 1\nevent: a\ndata: a\ndata: a").unwrap(),
        [""; 0]
    );
    parser.restart();
    let mut chunk = &b"\ndata: b\n\n"[..];
    let event = parser.next_event(&mut chunk).unwrap().unwrap();
    assert_eq!(
        (event.name().as_ref(), event.data().as_ref()),
        (Event::MESSAGE, "b")
    );
    assert_eq!(event.id(), "");
    assert_eq!(parser.last_event_id(), "");
}

#[test]
fn bytes_that_are_no_text_are_kept_and_replaced_when_text_is_asked_for() {
    let mut parser = Parser::new();
    let mut chunk = &b"id: \xFF\nevent: \xC0\ndata: \xE2\x80\n\n"[..];
    let event = parser.next_event(&mut chunk).unwrap().unwrap();
    assert_eq!(
        (event.name_bytes(), event.data_bytes()),
        (&b"\xC0"[..], &b"\xE2\x80"[..])
    );
    assert_eq!(
        (event.name().as_ref(), event.data().as_ref()),
        ("\u{FFFD}", "\u{FFFD}")
    );
    assert_eq!(event.id(), "\u{FFFD}");
}

#[test]
fn a_wait_that_is_no_number_leaves_the_last_one() {
    let mut parser = Parser::new();
    for malformed in ["", "x", "-1", "+1", " 1", "1.5", "\u{661}"] {
        let stream = format!("retry: 1500\nretry: {malformed}\n");
        assert_eq!(all(&mut parser, stream.as_bytes()).unwrap(), [""; 0]);
        assert_eq!(parser.retry().unwrap().as_millis(), 1_500, "{malformed:?}");
    }
}

/// A proxy that wraps comments into data: the event is noise, the stream goes on.
#[test]
fn a_keepalive_in_a_data_field_is_data() {
    let mut parser = Parser::new();
    let events = all(&mut parser, b"data: : keepalive\n\ndata: {}\n\n").unwrap();
    assert_eq!(events, [": keepalive", "{}"]);
}

#[test]
fn no_content_gets_into_a_log() {
    let mut parser = Parser::new();
    let mut chunk = &b"event: secret\ndata: secret\nid: secret\n\ndata: secret\nsecret"[..];
    let event = parser.next_event(&mut chunk).unwrap().unwrap();
    assert!(!format!("{event:?}").contains("secret"));
    assert!(parser.next_event(&mut chunk).unwrap().is_none());
    assert!(!format!("{parser:?}").contains("secret"));
}

#[test]
fn the_defaults_are_what_the_docs_say() {
    assert_eq!(Parser::MAX_LINE_BYTES, 16_777_216);
    assert_eq!(Parser::MAX_EVENT_BYTES, 16_777_216);
    assert_eq!(Event::MESSAGE, "message");
}
