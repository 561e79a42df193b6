//! What others do with a key. None of them looks at the payload, tells an error from a success, or knows a stream.

use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderValue, Response};
use http_body_util::Full;
use tower_layer::Layer;
use tower_resilience_cache::CacheLayer;
use tower_resilience_coalesce::CoalesceLayer;
use tower_service::Service;

use super::{KEY, Prompt};
use crate::inner::Inner;
use crate::shape::{Broken, Http};

type Answer = Response<Full<Bytes>>;

fn key(request: &Prompt) -> HeaderValue {
    request.headers()[KEY].clone()
}

pub(super) fn coalesce(
    inner: Inner<Http>,
) -> impl Service<Prompt, Response = Answer, Future: Unpin + Send> + Clone + Send + 'static {
    CoalesceLayer::new(key).layer(inner)
}

/// With a limit in size that is never reached, and no limit in time.
pub(super) fn cache(
    inner: Inner<Http>,
) -> impl Service<Prompt, Response = Answer, Future: Unpin + Send> + Clone + Send + 'static {
    let layer = CacheLayer::builder()
        .max_size(1_000)
        .key_extractor(key)
        .build();
    layer.expect("both settings are given").layer(inner)
}

/// A cache of answers, asked by hand.
#[derive(Clone)]
pub(super) struct Moka {
    inner: Inner<Http>,
    answers: moka::sync::Cache<HeaderValue, Answer>,
}

pub(super) fn moka(inner: Inner<Http>) -> Moka {
    Moka {
        inner,
        answers: moka::sync::Cache::new(1_000),
    }
}

impl Service<Prompt> for Moka {
    type Response = Answer;
    type Error = Broken;
    type Future = Ready<Result<Answer, Broken>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    #[inline]
    fn call(&mut self, request: Prompt) -> Self::Future {
        let key = key(&request);
        if let Some(answer) = self.answers.get(&key) {
            return ready(Ok(answer));
        }
        let made = pin!(self.inner.answer(request));
        let Poll::Ready(answer) = made.poll(&mut Context::from_waker(Waker::noop())) else {
            return ready(Err(Broken));
        };
        if let Ok(answer) = &answer {
            self.answers.insert(key, answer.clone());
        }
        ready(answer)
    }
}
