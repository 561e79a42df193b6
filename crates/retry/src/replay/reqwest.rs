//! `reqwest::Request`, whose streaming bodies are recorded like any other.

use ::reqwest::{Body, Request, Response};
use buttress_body::{Replay as Keeper, ReplayBody};
use buttress_core::Attempt;

use super::http::is_repeatable;
use super::{Discard, Drain, HttpReplay, Replay};
use crate::policy::{Facts, RetryOverride};

/// What [`HttpReplay`] keeps of a `reqwest::Request`.
#[derive(Debug)]
pub struct SavedReqwest {
    /// The request, with its body if that is in memory.
    request: Request,
    /// The record of a body that is a stream.
    body: Option<Keeper<Body>>,
}

/// `reqwest::Request` does not show its extensions, so that neither an [`Attempt`] nor a deadline nor a
/// [`RetryOverride`] travels with it.
impl Replay<Request> for HttpReplay {
    type Request = Request;
    type Saved = SavedReqwest;

    fn once(&self, request: Request) -> Request {
        request
    }

    fn save(&self, mut request: Request) -> (Request, Option<SavedReqwest>) {
        if !self.may_retry(request.method(), request.version(), request.headers()) {
            return (request, None);
        }
        let in_memory = request
            .body()
            .and_then(Body::as_bytes)
            .map_or(0, <[u8]>::len);
        if in_memory > self.max_replay {
            return (request, None);
        }
        let saved = if let Some(whole) = request.try_clone() {
            Some(SavedReqwest {
                request: whole,
                body: None,
            })
        } else {
            let source = request.body_mut().take().unwrap_or_default();
            let (keeper, first) = Keeper::new(source, self.max_replay, &self.pool);
            let head = request.try_clone();
            *request.body_mut() = Some(Body::wrap(first));
            head.map(|head| SavedReqwest {
                request: head,
                body: Some(keeper),
            })
        };
        self.mark_headers(request.headers_mut(), Attempt::FIRST);
        (request, saved)
    }

    fn facts(&self, saved: &SavedReqwest) -> Facts {
        let request = &saved.request;
        Facts {
            repeatable: is_repeatable(request.method(), request.headers()),
            overrides: RetryOverride::default(),
            ..Facts::REPEATABLE
        }
    }

    fn restore(&self, saved: &mut SavedReqwest, attempt: Attempt) -> Option<Request> {
        let mut request = saved.request.try_clone()?;
        if let Some(keeper) = &saved.body {
            let body: ReplayBody<Body> = keeper.again()?;
            *request.body_mut() = Some(Body::wrap(body));
        }
        self.mark_headers(request.headers_mut(), attempt);
        Some(request)
    }
}

impl Discard<Response> for HttpReplay {
    type Discarding = Drain<Body>;

    fn discard(&self, response: Response) -> Option<Drain<Body>> {
        Discard::<::http::Response<Body>>::discard(self, response.into())
    }
}
