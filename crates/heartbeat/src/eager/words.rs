//! What is said in place of an answer that is no stream.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use buttress_classify::Profile;
use buttress_classify::render::{as_error_event, explain};
use buttress_core::{Kind, Outcome};
use buttress_timer::Alarm;
use bytes::{Buf, Bytes};
use http::StatusCode;
use http::response::Parts;
use http_body::Body;
use tokio::time::Instant;

use crate::event;
use crate::gate::is_plain;
use crate::scan::Scan;
use crate::wants::is_json;

/// Reads the JSON of an error answer, within limits.
pub(super) struct Words {
    head: Parts,
    profile: Profile,
    read: Vec<u8>,
    /// How many frames may still come that bring nothing.
    idle_frames: u16,
    scan: Scan,
    alarm: Alarm,
    is_limited: bool,
}

impl Words {
    /// What has to be read first; or at once the event for an answer that has nothing to say.
    pub(super) fn of(head: Parts, profile: Profile) -> Result<Self, String> {
        let words = Self {
            head,
            profile,
            read: Vec::new(),
            idle_frames: MAX_IDLE_FRAMES,
            scan: Scan::new(),
            alarm: Alarm::new(),
            is_limited: false,
        };
        let Parts {
            status, headers, ..
        } = &words.head;
        if status.as_u16() >= 400 && is_json(headers) && is_plain(headers) {
            Ok(words)
        } else {
            Err(words.event(false))
        }
    }

    /// Reads on, and gives the event for what has come.
    pub(super) fn poll<B: Body>(
        &mut self,
        mut body: Pin<&mut B>,
        cx: &mut Context<'_>,
    ) -> Poll<String> {
        loop {
            if body.is_end_stream() {
                return Poll::Ready(self.event(true));
            }
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => frame,
                Poll::Ready(None) => return Poll::Ready(self.event(true)),
                Poll::Ready(Some(Err(_))) => return Poll::Ready(self.event(false)),
                Poll::Pending => {
                    ready!(self.poll_limit(cx));
                    return Poll::Ready(self.event(false));
                }
            };
            let mut data = match frame.into_data() {
                Ok(data) if data.has_remaining() => data,
                _ => match self.idle_frames.checked_sub(1) {
                    Some(left) => {
                        self.idle_frames = left;
                        continue;
                    }
                    None => return Poll::Ready(self.event(false)),
                },
            };
            let data: Bytes = data.copy_to_bytes(data.remaining().min(MAX_BYTES + 1));
            self.scan.push(&data);
            self.read.extend_from_slice(&data);
            if self.read.len() > MAX_BYTES {
                return Poll::Ready(self.event(false));
            }
        }
    }

    fn poll_limit(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_limited {
            self.is_limited = true;
            self.alarm.set(Instant::now().checked_add(MAX_WAIT));
        }
        self.alarm.poll(cx).map(drop)
    }

    /// The words of the answer, if all of them are there; else ours.
    fn event(&self, is_whole: bool) -> String {
        let Parts {
            status,
            headers,
            extensions,
            ..
        } = &self.head;
        let outcome = match extensions.get::<Outcome>() {
            Some(judged) => *judged,
            None => self.profile.error_body(*status, headers, &self.read),
        };
        match std::str::from_utf8(&self.read) {
            Ok(json) if is_whole && self.scan.is_whole_object() => {
                event::failed(Some(*status), &outcome);
                // In one line of data. No JSON text has a line break inside of a string.
                as_error_event(&json.trim_ascii().replace(['\r', '\n'], " "))
            }
            _ => last_words(&self.profile, Some(*status), &outcome),
        }
    }
}

/// The event for an outcome, in our words.
pub(super) fn last_words(
    profile: &Profile,
    status: Option<StatusCode>,
    outcome: &Outcome,
) -> String {
    if outcome.is_success() {
        // A stream was asked for, and something else has come.
        let failed = Outcome::new(Kind::Transient);
        event::failed(status, &failed);
        return profile.error_event(&failed, "the upstream did not answer with a stream");
    }
    event::failed(status, outcome);
    profile.error_event(outcome, explain(outcome))
}

/// An error's own words are short, and so is the wait for them.
const MAX_BYTES: usize = 16 * 1024;
const MAX_WAIT: Duration = Duration::from_secs(1);

/// Frames that are always there leave no time to look at the timer, and these would not fill the limit either.
const MAX_IDLE_FRAMES: u16 = 256;
