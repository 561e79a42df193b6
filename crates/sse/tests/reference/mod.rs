//! The rules of WHATWG HTML §9.2.5 and §9.2.6, followed to the letter over a whole input at once,
//! and the same questions put to the parser.

use std::time::Duration;

use buttress_sse::{LimitExceeded, Parser};

/// Everything that a client learns from a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Name, data and last id of each event.
    pub(crate) events: Vec<(String, String, String)>,
    pub(crate) last_event_id: String,
    pub(crate) retry: Option<Duration>,
    pub(crate) failed: Option<LimitExceeded>,
}

/// What the parser makes of a stream that arrives in these chunks.
pub(crate) fn parse<'c>(mut parser: Parser, chunks: impl IntoIterator<Item = &'c [u8]>) -> Seen {
    let mut seen = Seen::default();
    for mut chunk in chunks {
        loop {
            match parser.next_event(&mut chunk) {
                Ok(Some(event)) => {
                    let id = event.id().to_owned();
                    let (name, data) = (event.name(), event.data());
                    seen.events.push((name.into_owned(), data.into_owned(), id));
                }
                Ok(None) => break,
                Err(error) => {
                    seen.failed = Some(error);
                    break;
                }
            }
        }
    }
    parser.last_event_id().clone_into(&mut seen.last_event_id);
    seen.retry = parser.retry();
    seen
}

/// What a client should make of a stream that ends after these bytes.
pub(crate) fn read(stream: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(stream);
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(&text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut lines: Vec<&str> = text.split('\n').collect();
    // What follows the last end of a line is no line.
    lines.pop();

    let mut seen = Seen::default();
    let (mut data, mut event_type, mut id) = (String::new(), String::new(), String::new());
    for line in lines {
        if line.is_empty() {
            seen.last_event_id.clone_from(&id);
            let name = std::mem::take(&mut event_type);
            let mut data = std::mem::take(&mut data);
            if data.pop().is_some() {
                let name = if name.is_empty() {
                    "message".to_owned()
                } else {
                    name
                };
                seen.events.push((name, data, id.clone()));
            }
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => data += &format!("{value}\n"),
            "event" => value.clone_into(&mut event_type),
            "id" if !value.contains('\0') => value.clone_into(&mut id),
            "retry" if !value.is_empty() && value.chars().all(|c| c.is_ascii_digit()) => {
                seen.retry = Some(Duration::from_millis(value.parse().unwrap_or(u64::MAX)));
            }
            _ => {}
        }
    }
    seen
}
