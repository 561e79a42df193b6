//! What callers say about how long they wait.

use std::fmt;
use std::time::{Duration, SystemTime};

use buttress_classify::hints;
use http::HeaderMap;

use crate::{event, grpc_timeout};

/// A header in which a caller says how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutHeader {
    /// `grpc-timeout`; see [`grpc_timeout`].
    Grpc,
    /// `x-envoy-expected-rq-timeout-ms`: what an Envoy in front of us allows.
    EnvoyExpected,
    /// `x-envoy-upstream-rq-timeout-ms`: what a client asks an Envoy for. An Envoy removes it; one that is
    /// left speaks to whoever takes its place.
    EnvoyUpstream,
    /// `x-stainless-read-timeout` and `x-stainless-timeout`, in seconds: what the SDKs of LLM providers
    /// tell of their own time-outs. Off by default: theirs start anew with each of their attempts, and
    /// some of them mean the wait between two reads.
    Stainless,
}

/// Which headers are read, and with which clock.
#[derive(Clone, Copy)]
pub(crate) struct Hints {
    headers: u8,
    wall_clock: Option<fn() -> SystemTime>,
}

impl Hints {
    pub(crate) const DEFAULT: Self = Self {
        headers: TimeoutHeader::Grpc.bit() | TimeoutHeader::EnvoyExpected.bit(),
        wall_clock: None,
    };

    pub(crate) const fn with(mut self, header: TimeoutHeader) -> Self {
        self.headers |= header.bit();
        self
    }

    pub(crate) const fn without(mut self, header: TimeoutHeader) -> Self {
        self.headers &= !header.bit();
        self
    }

    pub(crate) const fn wall_clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.wall_clock = Some(clock);
        self
    }

    /// The least of `time` and of all that is said, in however many lines. What is malformed is as if absent, and
    /// so is a zero where it stands for no limit.
    #[inline]
    pub(crate) fn least(&self, mut time: Duration, headers: &HeaderMap) -> Duration {
        // Once through all of them costs less than to look each name up.
        for (name, value) in headers {
            match self.line(name.as_str(), value.as_bytes()) {
                Line::Other => {}
                Line::Malformed => event::ignored(name),
                Line::Says(said) => time = time.min(said),
            }
        }
        time
    }

    #[inline]
    fn line(&self, name: &str, value: &[u8]) -> Line {
        let (header, parse): (_, fn(&[u8]) -> Option<Duration>) = match name {
            "grpc-timeout" => (TimeoutHeader::Grpc, grpc_timeout::parse),
            EXPECTED => (TimeoutHeader::EnvoyExpected, hints::milliseconds),
            UPSTREAM => (TimeoutHeader::EnvoyUpstream, hints::milliseconds),
            "x-stainless-read-timeout" | "x-stainless-timeout" => {
                (TimeoutHeader::Stainless, hints::seconds)
            }
            "x-request-deadline" => return self.moment(value),
            _ => return Line::Other,
        };
        if self.headers & header.bit() == 0 {
            return Line::Other;
        }
        let asks_for = matches!(
            header,
            TimeoutHeader::EnvoyUpstream | TimeoutHeader::Stainless
        );
        match parse(value) {
            // Asked for, it means that there is no limit.
            Some(Duration::ZERO) if asks_for => Line::Other,
            Some(time) => Line::Says(time),
            None => Line::Malformed,
        }
    }

    fn moment(&self, value: &[u8]) -> Line {
        let Some(clock) = self.wall_clock else {
            return Line::Other;
        };
        match hints::rfc3339(value) {
            Some(then) => Line::Says(then.duration_since(clock()).unwrap_or(Duration::ZERO)),
            None => Line::Malformed,
        }
    }
}

impl fmt::Debug for Hints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ALL: [TimeoutHeader; 4] = [
            TimeoutHeader::Grpc,
            TimeoutHeader::EnvoyExpected,
            TimeoutHeader::EnvoyUpstream,
            TimeoutHeader::Stainless,
        ];
        let read = ALL
            .into_iter()
            .filter(|header| self.headers & header.bit() != 0);
        let mut list = f.debug_list();
        list.entries(read);
        if self.wall_clock.is_some() {
            list.entry(&format_args!("RequestDeadline"));
        }
        list.finish()
    }
}

/// One line of a header.
enum Line {
    Other,
    Malformed,
    Says(Duration),
}

impl TimeoutHeader {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

pub(crate) const EXPECTED: &str = "x-envoy-expected-rq-timeout-ms";
pub(crate) const UPSTREAM: &str = "x-envoy-upstream-rq-timeout-ms";
