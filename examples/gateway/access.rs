//! One line per request, written when all of it is over, however it ends.

use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use buttress::core::BoxError;
use buttress::fallback::ServedBy;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as _, Frame, SizeHint};
use tokio::time::Instant;
use tracing::{Span, info, info_span};

use crate::last_words::LastWords;
use crate::respond::explain;

/// What becomes of a request on its way: told along its extensions, read when it is over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Course(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    attempts: AtomicU32,
    refusal: OnceLock<String>,
    cut: OnceLock<String>,
}

impl Course {
    /// That of this request.
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        request.extensions().get().cloned().unwrap_or_default()
    }

    /// Counts the call upstream that is about to be made; each upstream's innermost service does.
    pub(crate) fn count<B>(request: Request<B>) -> Request<B> {
        if let Some(Self(told)) = request.extensions().get() {
            told.attempts.fetch_add(1, Ordering::Relaxed);
        }
        request
    }

    /// How many calls upstream it took.
    pub(crate) fn attempts(&self) -> u32 {
        self.0.attempts.load(Ordering::Relaxed)
    }

    /// There is no answer but ours, for this reason.
    pub(crate) fn refuse(&self, error: &BoxError) {
        self.0.refusal.get_or_init(|| explain(&**error));
    }

    /// The answer's body has broken off, whatever the client is told in its place.
    pub(crate) fn cut(&self, error: &axum::Error) {
        self.0.cut.get_or_init(|| explain(error));
    }

    /// Why it has.
    pub(crate) fn why_cut(&self) -> Option<&str> {
        self.0.cut.get().map(String::as_str)
    }

    /// Why the answer is ours.
    pub(crate) fn refusal(&self) -> Option<&str> {
        self.0.refusal.get().map(String::as_str)
    }
}

/// The line of one request. It is written when dropped, so a client that leaves is logged too.
///
/// It holds no query, no field value and no body.
#[derive(Debug)]
pub(crate) struct Line {
    span: Span,
    method: Method,
    path: String,
    began: Instant,
    course: Course,
    head: Option<(StatusCode, Instant)>,
    /// Who gave the answer, if others were asked than the first.
    served_by: Option<String>,
    ending: Ending,
}

#[derive(Debug)]
enum Ending {
    /// Until we know better: dropped without an end.
    ClientLeft,
    Complete,
    /// The head said one thing, then the body broke off.
    Cut(String),
}

impl Line {
    pub(crate) fn begin<B>(request: &Request<B>, course: Course) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(1);
        let id = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self {
            span: info_span!(target: "gateway", "request", id),
            method: request.method().clone(),
            path: request.uri().path().escape_debug().to_string(),
            began: Instant::now(),
            course,
            head: None,
            served_by: None,
            ending: Ending::ClientLeft,
        }
    }

    /// What the decisions about this request are logged in, so that lines find together.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Notes the head and follows the body to its end.
    pub(crate) fn follow(mut self, response: Response<Body>) -> Response<Body> {
        self.head = Some((response.status(), Instant::now()));
        let served_by = response.extensions().get::<ServedBy>();
        self.served_by = served_by.map(|by| by.name().to_owned());
        let bodiless = self.method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED;
        response.map(|inner| {
            let mut body = Followed {
                inner: LastWords::new(inner, self.course.clone()),
                line: self,
                bodiless,
            };
            body.note_end();
            Body::new(body)
        })
    }

    fn complete(&mut self) {
        if let Ending::ClientLeft = self.ending {
            self.ending = Ending::Complete;
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let (outcome, error) = match (self.course.refusal(), &self.ending) {
            (Some(why), _) => ("refused", Some(why)),
            (None, Ending::ClientLeft) => ("client left", None),
            (None, Ending::Complete) => ("complete", None),
            (None, Ending::Cut(error)) => ("cut", Some(&**error)),
        };
        info!(
            target: "gateway",
            parent: &self.span,
            method = %self.method,
            path = %self.path,
            status = self.head.map(|(status, _)| status.as_u16()),
            attempts = self.course.attempts(),
            served_by = self.served_by,
            head_ms = self.head.map(|(_, at)| millis(at.duration_since(self.began))),
            total_ms = millis(self.began.elapsed()),
            outcome = %outcome,
            error,
            "done"
        );
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An answer's body on its way to the client.
#[derive(Debug)]
struct Followed {
    inner: LastWords,
    line: Line,
    bodiless: bool,
}

impl Followed {
    /// A server that sees the end coming polls no further.
    fn note_end(&mut self) {
        if self.inner.is_end_stream() {
            self.line.complete();
        }
    }
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let Self { inner, line, .. } = &mut *self;
        let frame = ready!(line.span.in_scope(|| Pin::new(inner).poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) if frame.is_trailers() => self.line.complete(),
            Some(Ok(_)) => self.note_end(),
            Some(Err(error)) => self.line.ending = Ending::Cut(explain(error)),
            None => self.line.complete(),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // An answer without a body says nothing of the length it would have had: an exact 0 would
        // become a `Content-Length: 0`, which is a lie about the resource.
        if self.bodiless {
            SizeHint::default()
        } else {
            self.inner.size_hint()
        }
    }
}
