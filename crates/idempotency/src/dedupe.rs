//! What becomes of a request that may be a duplicate.

use std::mem::replace;
use std::sync::Arc;

use buttress_body::PrefixBody;
use buttress_core::{BoxError, IdempotencyKey};
use http::Request;
use http::request::Parts;
use http_body::Body;
use tower_service::Service;

use crate::attempt::{Attempt, Make, Proof};
use crate::calls::Payload;
use crate::error::MalformedKey;
use crate::event;
use crate::find::{Place, find};
use crate::fingerprint::{Fingerprint, Hashing};
use crate::future::ResponseFuture;
use crate::request::RequestBody;
use crate::state::{Duplicates, State};

/// Everything that deduplicating one request takes.
pub(crate) struct Dedupe<'a, S, Q: Body, C> {
    pub(crate) service: &'a mut S,
    pub(crate) classify: &'a C,
    pub(crate) state: &'a Arc<State>,
    pub(crate) duplicates: Duplicates,
    pub(crate) make: Make<S, Q, C>,
}

impl<S, Q, C> Dedupe<'_, S, Q, C>
where
    S: Service<Request<RequestBody<Q>>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    Q: Body + Send + Unpin + 'static,
    Q::Error: Into<BoxError> + Send,
    C: Clone + Send + 'static,
{
    /// A request with a key. The first one goes out at once; a duplicate's body is read before it gets anything.
    pub(crate) fn by_key(mut self, request: Request<Q>) -> ResponseFuture<S::Future> {
        let state = self.state;
        let settings = &state.settings;
        let (parts, body) = request.into_parts();
        let mut values = parts.headers.get_all(&settings.header).iter();
        let key = match (values.next(), values.next()) {
            (Some(value), None) => {
                IdempotencyKey::read(value.as_bytes(), settings.strict).map_err(Some)
            }
            _ => Err(None),
        };
        let key = match key {
            Ok(key) => key,
            Err(why) => return ResponseFuture::refused(MalformedKey::refuse(why)),
        };
        let Some(call) = state.name(&parts, &key) else {
            return self.unscoped(parts, body);
        };
        let (proof, payload) = match settings.trust_keys {
            true => (Proof::Known(Fingerprint::UNCHECKED), Payload::Trusted),
            false => (
                Proof::Hash(Hashing::new(call.scope(), &parts)),
                Payload::Unread,
            ),
        };
        let mut request = Some(((parts, body), proof));
        let found = find(state, call, payload, self.duplicates, |notes| {
            let (request, proof) = request.take()?;
            let service = self.readied();
            let attempt = self.attempt(service, request, proof, true);
            Some(attempt.begin(state, call, notes))
        });
        match (found, request) {
            (Ok(Place::First(subscriber) | Place::Joined(subscriber)), _) => {
                ResponseFuture::waiting(subscriber)
            }
            (Ok(Place::Kept(kept)), _) => ResponseFuture::replaying(call, kept),
            (Ok(Place::Unread), Some((request, Proof::Hash(hashing)))) => {
                let proof = Proof::Hash(hashing.clone());
                let unready = (self.service.clone(), false);
                let attempt = self.attempt(unready, request, proof, true);
                ResponseFuture::deciding(attempt.by_key(Arc::clone(state), call, hashing))
            }
            (Ok(Place::Unread), _) => unreachable!("a duplicate has its request, and is hashed"),
            (Err(refusal), _) => ResponseFuture::refused(refusal),
        }
    }

    /// A request without one: it is held until its fingerprint is known.
    pub(crate) fn by_fingerprint(mut self, request: Request<Q>) -> ResponseFuture<S::Future> {
        let (parts, body) = request.into_parts();
        let state = self.state;
        let scope = state.settings.fingerprints.as_ref();
        let Some(scope) = scope.and_then(|scope| scope(&parts)) else {
            return self.unscoped(parts, body);
        };
        let mut name = state.naming.begin();
        name.part(scope.as_bytes());
        let scope = name.get();
        let hashing = Hashing::new(scope, &parts);
        let proof = Proof::Known(Fingerprint::UNCHECKED);
        let service = self.readied();
        let attempt = self.attempt(service, (parts, body), proof, false);
        ResponseFuture::deciding(attempt.by_fingerprint(Arc::clone(state), scope, hashing))
    }

    fn unscoped(self, parts: Parts, body: Q) -> ResponseFuture<S::Future> {
        event::unscoped();
        let request = Request::from_parts(parts, RequestBody::plain(body));
        ResponseFuture::plain(self.service.call(request))
    }

    fn attempt(
        &self,
        (service, is_ready): (S, bool),
        (parts, body): (Parts, Q),
        proof: Proof,
        has_key: bool,
    ) -> Attempt<S, Q, C> {
        Attempt {
            service,
            is_ready,
            classify: self.classify.clone(),
            duplicates: self.duplicates,
            make: self.make,
            parts,
            body: PrefixBody::new(body),
            proof,
            has_key,
        }
    }

    /// The service that said that it is ready; a clone takes its place.
    fn readied(&mut self) -> (S, bool) {
        let clone = self.service.clone();
        (replace(self.service, clone), true)
    }
}
