//! What becomes of a request that may be a duplicate.

use std::future::poll_fn;
use std::mem::replace;
use std::sync::Arc;

use buttress_body::PrefixBody;
use buttress_core::{BoxError, Classify, Watch};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::call::{Call, CallBody};
use crate::call_id::CallId;
use crate::calls::Asked;
use crate::error::{CallInFlight, MalformedKey};
use crate::event;
use crate::fingerprint::{Fingerprint, Hashing};
use crate::future::{Decided, Found, ResponseFuture};
use crate::keeping::Keeping;
use crate::key;
use crate::notes::{Judgement, Notes};
use crate::open::Opening;
use crate::request::RequestBody;
use crate::state::{Duplicates, State};
use crate::subscriber::Subscriber;

/// Makes a call that can be shared: [`make`], whose bounds nobody else has to repeat.
pub(crate) type Make<S, Q, C> = fn(Opening<S, Q, C>, Keeping) -> Call;

pub(crate) fn make<S, Q, C, B, W>(mut opening: Opening<S, Q, C>, keeping: Keeping) -> Call
where
    S: Service<Request<RequestBody<Q>>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError> + Send + 'static,
    Q: Body + Send + Unpin + 'static,
    Q::Error: Into<BoxError> + Send,
    B: Body + Send + 'static,
    C: Classify<Response<B>, S::Error> + Send + 'static,
    C::Watch: Watch<Response<B>, Watched<Judgement> = Response<W>>,
    W: Body + Send + 'static,
    W::Error: Into<BoxError>,
{
    let notes = Arc::clone(&opening.ticket.notes);
    let time = opening.own_time();
    Box::pin(CallBody::new(opening.open(), notes, keeping, time))
}

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
    Q::Error: Send,
    C: Clone + Send + 'static,
{
    /// A request with a key.
    pub(crate) fn by_key(self, request: Request<Q>) -> ResponseFuture<S::Future, Q> {
        let settings = &self.state.settings;
        let (parts, body) = request.into_parts();
        let mut values = parts.headers.get_all(&settings.header).iter();
        let key = match (values.next(), values.next()) {
            (Some(value), None) => key::parse(value.as_bytes(), settings.strict),
            _ => Err(MalformedKey),
        };
        let Ok(key) = key else {
            event::refused("a malformed key");
            return ResponseFuture::refused(MalformedKey.refuse());
        };
        let Some(call) = self.state.name(&parts, &key) else {
            event::unscoped();
            let request = Request::from_parts(parts, RequestBody::plain(body));
            return ResponseFuture::plain(self.service.call(request));
        };
        let hashing = (!settings.trust_keys).then(|| Hashing::new(call.scope(), &parts));
        let mut request = Some((parts, body, hashing));
        let begin = |notes: &Arc<Notes>| {
            let (parts, body, hashing) = request.take()?;
            let body = match hashing {
                Some(hashing) => RequestBody::hashed(body, hashing, notes),
                None => {
                    notes.identify(Fingerprint::UNCHECKED);
                    RequestBody::plain(body)
                }
            };
            let opening = Opening {
                service: take(self.service),
                request: Request::from_parts(parts, body),
                classify: self.classify.clone(),
                ticket: self.state.ticket(call, notes),
                waits: self.duplicates == Duplicates::Join,
                max_run: settings.max_run,
            };
            Some((self.make)(opening, keeping(self.state, true)))
        };
        match find(self.state, call, self.duplicates, true, begin) {
            Ok(Place::First(subscriber)) => ResponseFuture::waiting(subscriber),
            Ok(Place::Duplicate(found)) => {
                let (_, body, hashing) = request.expect(NOT_BEGUN);
                ResponseFuture::duplicate(body, hashing, found)
            }
            Err(refusal) => ResponseFuture::refused(refusal),
        }
    }

    /// A request without one: it is held until its fingerprint is known.
    pub(crate) fn by_fingerprint(self, request: Request<Q>) -> ResponseFuture<S::Future, Q> {
        let (parts, body) = request.into_parts();
        let scope = self.state.settings.fingerprints.as_ref();
        let Some(scope) = scope.and_then(|scope| scope(&parts)) else {
            event::unscoped();
            let request = Request::from_parts(parts, RequestBody::plain(body));
            return ResponseFuture::plain(self.service.call(request));
        };
        let mut name = self.state.naming.begin();
        name.part(scope.as_bytes());
        let (scope, state) = (name.get(), Arc::clone(self.state));
        let mut held = Held {
            service: take(self.service),
            classify: self.classify.clone(),
            duplicates: self.duplicates,
            make: self.make,
            hashing: Hashing::new(scope, &parts),
            body: PrefixBody::new(body),
        };
        ResponseFuture::deciding(async move {
            if !held.read().await {
                let body = RequestBody::read_ahead(held.body);
                return Decided::Plain(held.service.call(Request::from_parts(parts, body)));
            }
            held.decide(&state, scope, parts)
        })
    }
}

/// A request without a key, while its body is read.
struct Held<S, Q: Body, C> {
    service: S,
    classify: C,
    duplicates: Duplicates,
    make: Make<S, Q, C>,
    hashing: Hashing,
    body: PrefixBody<Q>,
}

impl<S, Q, C> Held<S, Q, C>
where
    S: Service<Request<RequestBody<Q>>>,
    Q: Body + Unpin,
{
    /// Reads the body to its end. Says whether that could be done.
    async fn read(&mut self) -> bool {
        while self.body.held_weight() <= MAX_HELD {
            if self.body.is_read() {
                return true;
            }
            let (body, hashing) = (&mut self.body, &mut self.hashing);
            let read = poll_fn(|cx| {
                body.poll_ahead(cx).map(|frame| match frame {
                    Some(Ok(frame)) => {
                        if let Some(data) = frame.data_ref() {
                            hashing.data(data);
                        }
                        Some(true)
                    }
                    Some(Err(_)) => Some(false), // it is held, and handed on
                    None => None,
                })
            });
            match read.await {
                Some(true) => {}
                Some(false) => return false,
                None => return true,
            }
        }
        false
    }

    fn decide(self, state: &Arc<State>, scope: u128, parts: Parts) -> Decided<S::Future> {
        let fingerprint = self.hashing.end();
        let mut name = state.naming.begin();
        name.part(b"fingerprint");
        name.part(&fingerprint.to_bytes());
        let call = CallId::new(scope, name.get());
        let mut first = Some((self.service, parts, self.body));
        let begin = |notes: &Arc<Notes>| {
            let (service, parts, body) = first.take()?;
            notes.identify(fingerprint);
            let opening = Opening {
                service,
                request: Request::from_parts(parts, RequestBody::read_ahead(body)),
                classify: self.classify,
                ticket: state.ticket(call, notes),
                waits: self.duplicates == Duplicates::Join,
                max_run: state.settings.max_run,
            };
            Some((self.make)(opening, keeping(state, false)))
        };
        match find(state, call, self.duplicates, false, begin) {
            Ok(Place::First(subscriber)) => Decided::Found(Found::Running(subscriber)),
            Ok(Place::Duplicate(found)) => {
                if let Found::Running(subscriber) = &found {
                    event::joined(subscriber.call());
                }
                Decided::Found(found)
            }
            Err(refusal) => Decided::Refused(refusal),
        }
    }
}

/// Where a request belongs.
enum Place {
    First(Subscriber),
    Duplicate(Found),
}

/// Finds the call, or begins it.
fn find(
    state: &Arc<State>,
    call: CallId,
    duplicates: Duplicates,
    outlives: bool,
    begin: impl FnOnce(&Arc<Notes>) -> Option<Call>,
) -> Result<Place, BoxError> {
    if let Some(kept) = state.store.recall(&call) {
        return Ok(Place::Duplicate(Found::Kept(call, kept)));
    }
    let subscriber = |body, notes| Subscriber::new(body, notes, Arc::clone(state), call);
    match state.calls.ask(&call, state.settings.orphan_ttl) {
        Asked::Joined(body, notes) => {
            let subscriber = subscriber(body, notes);
            if duplicates == Duplicates::Join {
                return Ok(Place::Duplicate(Found::Running(subscriber)));
            }
        }
        Asked::TooLate => {}
        Asked::Vacant(vacant) => {
            let notes = Arc::new(Notes::default());
            let begun = begin(&notes).map(|begun| state.share(begun));
            let body = begun.and_then(|shared| vacant.begin(shared, Arc::clone(&notes), outlives));
            if let Some(body) = body {
                return Ok(Place::First(subscriber(body, notes)));
            }
        }
    }
    event::refused("in flight");
    Err(CallInFlight::refuse())
}

/// The service that said that it is ready; a clone takes its place.
fn take<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    replace(service, clone)
}

fn keeping(state: &State, has_key: bool) -> Keeping {
    let settings = &state.settings;
    Keeping {
        ttl: match has_key {
            true => settings.ttl,
            false => settings.fingerprint_ttl,
        },
        max_body: settings.max_body,
        max_run: settings.max_run,
        errors: settings.keep_errors,
    }
}

const NOT_BEGUN: &str = "only the first call takes its request";

/// How much of a request without a key is held.
const MAX_HELD: u64 = 1 << 20;
