//! What a client saw.

use std::collections::BTreeMap;
use std::io::{self, Write as _};

use serde_json::Value;

use crate::streams::Stream;

/// By the stream's name.
pub(crate) type Report = BTreeMap<String, Seen>;

/// What a client made of one stream.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) events: Vec<Value>,
    pub(crate) end: End,
}

#[derive(Debug, Default, PartialEq)]
pub(crate) enum End {
    #[default]
    Missing,
    Proper,
    /// The class of the error with those that it extends, and what it says.
    Error(Vec<String>, String),
}

impl Seen {
    /// Whether it is what was sent, no more and no less, to a proper end.
    pub(crate) fn is(&self, stream: &Stream) -> bool {
        self.events == stream.events && self.end == End::Proper
    }

    /// Whether the stream ended with an error of this class, or of one that extends it.
    pub(crate) fn failed_with(&self, class: &str) -> bool {
        matches!(&self.end, End::Error(classes, _) if classes.iter().any(|name| name == class))
    }
}

/// Reads a JSON line for each thing that a client saw.
pub(crate) fn read(lines: &str) -> Report {
    let mut report = Report::new();
    for line in lines.lines() {
        let mut line: Value = serde_json::from_str(line).unwrap();
        let seen = report.entry(text(&line["stream"])).or_default();
        assert_eq!(seen.end, End::Missing, "{line} comes after the end");
        if let Some(event) = line.get_mut("event") {
            seen.events.push(event.take());
        } else if let Some(classes) = line["error"].as_array() {
            let classes = classes.iter().map(text).collect();
            seen.end = End::Error(classes, text(&line["message"]));
        } else {
            seen.end = End::Proper;
        }
    }
    report
}

/// Nothing, because a client is not installed; says so past the capture of the print macros.
pub(crate) fn missing<T>(client: &str) -> Option<T> {
    let mut stderr = io::stderr();
    writeln!(stderr, "skipped: {client} not found").unwrap();
    None
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
