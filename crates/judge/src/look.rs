//! What is looked for in the beginning of a body, and what is found.

use buttress_body::{Observe, PrefixBody};
use buttress_classify::{Observer, Profile};
use buttress_core::{Acceptance, Outcome, Reason, Sign};
use bytes::Bytes;
use http::Response;
use http::response::Parts;
use http_body::{Body, Frame};

use crate::layer::{Hold, Limit, Settings};

/// What is looked for.
///
/// ```text
///                      ┌ an error answer ──────────────► Words: read until the end, or enough
///  the head of an ─────┤
///  answer              ├ a stream whose content is due ► Content: read until it comes, or never will
///                      │
///                      └ anything else ────────────────► nothing: the answer goes through
/// ```
pub(crate) enum Look {
    /// The words of an error answer.
    Words(Profile),
    /// The first content of a stream.
    Content(Observer),
}

/// What came of looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The stream has content, or the limit is reached: it goes through, come what may.
    Committed,
    /// The outcome is settled.
    Settled(Outcome),
}

/// What the head alone tells.
pub(crate) enum AtHead {
    /// There is nothing to look for.
    Nothing,
    /// There is no need to look.
    Found(Found),
    /// Look for this, within that limit.
    Look(Look, Limit),
}

impl Look {
    #[inline]
    pub(crate) fn begin<B: Body>(settings: &Settings, answer: &Response<B>) -> AtHead {
        let Settings {
            profile,
            errors,
            hold: Hold(hold),
        } = settings;
        let (status, headers) = (answer.status(), answer.headers());
        let outcome = profile.at_head(status, headers, answer.extensions());
        if !outcome.is_success() {
            let judged = answer.extensions().get::<Outcome>().is_some();
            let silent = judged || answer.body().is_end_stream();
            return if silent || !profile.reads_error_body(status, headers) {
                AtHead::Found(Found::Settled(outcome))
            } else {
                AtHead::Look(Self::Words(*profile), *errors)
            };
        }
        if let Some(limit) = hold {
            let mut observer = profile.observer(status, headers);
            if observer.awaits_content() {
                return if answer.body().is_end_stream() {
                    AtHead::Found(stream(observer.end()))
                } else {
                    AtHead::Look(Self::Content(observer), *limit)
                };
            }
        }
        AtHead::Nothing
    }

    /// A frame was read ahead.
    pub(crate) fn frame(&mut self, frame: &Frame<Bytes>) -> Option<Found> {
        let Self::Content(observer) = self else {
            return None;
        };
        if let Some(trailers) = frame.trailers_ref() {
            return Some(stream(observer.trailers(trailers)));
        }
        match observer.data(frame.data_ref()?) {
            Sign::Nothing => None,
            Sign::Content => Some(Found::Committed),
            Sign::Settled(outcome) => Some(stream(outcome)),
        }
    }

    /// There is nothing more to read ahead.
    pub(crate) fn end<B: Body + Unpin>(&mut self, head: &Parts, body: &PrefixBody<B>) -> Found {
        match self {
            Self::Words(profile) => words(profile, head, body),
            Self::Content(observer) => stream(observer.end()),
        }
    }

    /// The limit of bytes or of time is reached.
    pub(crate) fn enough<B: Body + Unpin>(&mut self, head: &Parts, body: &PrefixBody<B>) -> Found {
        match self {
            Self::Words(profile) => words(profile, head, body),
            Self::Content(_) => Found::Committed,
        }
    }

    /// The body has failed.
    pub(crate) fn failed<E: 'static>(&mut self, error: &E) -> Option<Found> {
        match self {
            Self::Words(_) => None,
            Self::Content(observer) => Some(stream(observer.failed(error))),
        }
    }
}

/// The outcome of a stream before its first content. Its head was an answer, so that this is known of a
/// stream that broke off, too; a time limit of ours proves nothing, as ever.
fn stream(outcome: Outcome) -> Found {
    let ours = matches!(outcome.reason, Some(Reason::Timeout(_)));
    Found::Settled(match outcome.acceptance {
        Acceptance::Unknown if !ours => outcome.accepted(Acceptance::Answered),
        _ => outcome,
    })
}

/// Judges an error answer by its status, its headers, and as much of its body as was read.
fn words<B: Body + Unpin>(profile: &Profile, head: &Parts, body: &PrefixBody<B>) -> Found {
    let mut pieces = body.held().filter_map(Frame::data_ref);
    let first = pieces.next().cloned().unwrap_or_default();
    let rest: Vec<&[u8]> = pieces.map(AsRef::as_ref).collect();
    let outcome = if rest.is_empty() {
        profile.error_body(head.status, &head.headers, &first)
    } else {
        let whole = [&[first.as_ref()], &rest[..]].concat().concat();
        profile.error_body(head.status, &head.headers, &whole)
    };
    Found::Settled(outcome)
}
