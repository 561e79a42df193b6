//! How a stream that has begun is told that it has failed.

use std::fmt;
use std::sync::Arc;

use buttress_core::BoxError;
use buttress_sse::{Boundary, Safe};
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame};

use crate::body::Last;
use crate::layer::Settings;
use crate::protocol::Protocol;
use crate::render::trailers;

/// How a stream that has begun is told.
pub(crate) enum Manner {
    /// It breaks off.
    Plain,
    /// By an event, where one may stand: behind another, or before all of them. It is the last.
    Events {
        boundary: Option<Boundary>,
        settings: Arc<Settings>,
    },
    /// By trailers.
    Grpc { settings: Arc<Settings> },
}

impl Manner {
    #[inline]
    pub(crate) fn of<B: Body>(
        response: &Response<B>,
        settings: &Arc<Settings>,
        protocol: Protocol,
    ) -> Self {
        // Nothing can be added to a body whose end is known.
        let is_known = response.body().size_hint().upper().is_some();
        if response.status() != StatusCode::OK || is_known {
            return Self::Plain;
        }
        let settings = || Arc::clone(settings);
        let headers = response.headers();
        match protocol {
            _ if headers.contains_key(CONTENT_LENGTH) => Self::Plain,
            Protocol::Grpc if Protocol::of(headers) == Protocol::Grpc => Self::Grpc {
                settings: settings(),
            },
            Protocol::Http if is_event_stream(headers) => Self::Events {
                boundary: None,
                settings: settings(),
            },
            // In a browser the trailers would be a message of the body, whose messages we do not follow.
            _ => Self::Plain,
        }
    }

    /// A frame has gone out.
    #[inline]
    pub(crate) fn passes(&mut self, frame: &Frame<Bytes>) {
        match self {
            Self::Plain => {}
            Self::Events { boundary, .. } => match frame.data_ref() {
                Some(data) if data.is_empty() => {}
                Some(data) => boundary.get_or_insert_default().push(data),
                None => *self = Self::Plain, // nothing follows trailers
            },
            Self::Grpc { .. } => {
                if frame.is_trailers() {
                    *self = Self::Plain;
                }
            }
        }
    }

    /// The body has failed.
    #[cold]
    pub(crate) fn fails(&self, error: BoxError) -> Last {
        match self {
            Self::Events { boundary, settings } if may_stand(boundary.as_ref()) => {
                let problem = settings.problem(&*error);
                let event = settings
                    .profile
                    .error_event(&problem.outcome(), &problem.detail);
                Last::Text(event.into())
            }
            Self::Grpc { settings } => {
                Last::Trailers(Box::new(trailers(&settings.problem(&*error))))
            }
            Self::Plain | Self::Events { .. } => Last::Error(error),
        }
    }
}

fn may_stand(boundary: Option<&Boundary>) -> bool {
    boundary.is_none_or(|boundary| boundary.safe() == Safe::Blank)
}

/// One that can be read, so not a compressed one.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let is_events = types.next().is_some_and(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next();
        let essence = essence.unwrap_or_default().trim_ascii();
        essence.eq_ignore_ascii_case(b"text/event-stream")
    });
    let is_plain = headers
        .get(CONTENT_ENCODING)
        .is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_events && is_plain && types.next().is_none()
}

impl fmt::Debug for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Events { .. } => "Events",
            Self::Grpc { .. } => "Grpc",
        })
    }
}
