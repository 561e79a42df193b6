//! Makes a call once, however often it is asked for.
//!
//! ```
//! use buttress_classify::Profile;
//! use buttress_idempotency::IdempotencyLayer;
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use std::convert::Infallible;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! let layer = IdempotencyLayer::new(Profile::OPENAI)
//!     // Finishes calls whose client has gone away.
//!     .executor(|future| drop(tokio::spawn(future)));
//! let service = layer.layer(service_fn(|_prompt| async {
//!     Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("a dear answer")))
//! }));
//!
//! let prompt = || {
//!     Request::post("/v1/chat/completions")
//!         .header("authorization", "Bearer me")
//!         .header("idempotency-key", "8e03978e-40d5-43e8-bc93-6894a57f9324")
//!         .body(Full::<Bytes>::from("a prompt"))
//! };
//! let first = service.clone().oneshot(prompt()?).await?;
//! assert_eq!(first.into_body().collect().await?.to_bytes(), "a dear answer");
//! let again = service.oneshot(prompt()?).await?;
//! assert_eq!(again.headers()["idempotent-replayed"], "true");
//! # Ok(())
//! # }
//! ```
//!
//! # When to use it, and when not
//!
//! In front of calls that cost something each time: a generation that is billed, an order, a payment. Clients whose
//! connection breaks send them again, and so do impatient users. Not as a cache: a key is one caller's word that two
//! requests are one, and a [fingerprint](IdempotencyLayer::fingerprints) is good for a minute of impatience.
//!
//! [`IdempotencyKeyLayer`] is for the way out: it gives each call a key that all attempts share, for upstreams that do
//! this themselves.
//!
//! # Differences from others
//!
//! Neither tower nor tower-http has it. Other middleware looks first and calls then, so that two duplicates that come
//! together are both made; keeps errors, or whole answers only; and lets everybody fail when the first caller leaves.
//! Here duplicates join the call that is under way, streams included, and it outlives whoever began it.
//!
//! # The draft's choices
//!
//! A key is an sf-string or the same key without quotes; its scope is the credentials; what was in another payload is a
//! 422, by a [`Fingerprint`] of method, path, query, content type and body; keys expire after 24 hours. Errors are not
//! kept unless [asked for](IdempotencyLayer::keep_errors), and those that speak of this moment never are: 408, 409, 425,
//! 429 and everything from 500 on. Hop-by-hop fields and `Set-Cookie` are not kept.
//!
//! # Defaults
//!
//! `POST` and `PATCH` with an `Idempotency-Key`, for 24 hours, up to 8 MiB of an answer, in memory: all settings and
//! their reasons are on the page of the [layer](IdempotencyLayer#defaults), and what the memory holds on that of the
//! [store](MemoryStore#defaults).
//!
//! # Where it goes in the stack
//!
//! Inbound, inside of authentication (a key proves nothing) and directly around the handler, inside of heartbeats and
//! time budgets: those are one client's, and the call is everybody's. [`IdempotencyKeyLayer`] goes outbound, outside of
//! retries. [`RespondLayer`] makes answers of refusals.
//!
//! # What it costs
//!
//! A request without a key: one lookup in its headers. The first call with one: its fingerprint, a hash of its
//! name, and some ten allocations for what others may join; the body of the answer is kept by reference while it
//! passes, and copied once when it is stored. A duplicate whose payload is compared: one allocation. A replay: the
//! fingerprint, one lookup, and a copy of the headers. Each subscriber holds some 200 bytes and no part of the body. No
//! timer unless the call pauses; one then, for [`max_run`](IdempotencyLayer::max_run). Locks are held for lookups, and
//! while a call takes its place: then the inner service is cloned under one.
//!
//! A call that can be joined needs a service that can be cloned, and bodies that are `Send + 'static`.
//!
//! # Observability
//!
//! Events of the target `buttress::idempotency`. At debug: `replayed`, `joined`, `released`, `kept` with `bytes`,
//! `orphaned` with `driven`, each with `call`; `refused` with `reason`; `no scope`. At warn: `not kept` with `call` and
//! `reason`: a duplicate would be made again. `call` is eight hex digits of a hash, which is keyed unless others see
//! the store.
//!
//! # Sources
//!
//! draft-ietf-httpapi-idempotency-key-header · RFC 9651 §3.3.3 · RFC 9110 §7.6.1 · Stripe's API reference, "Idempotent
//! requests" · FIPS 180-4 (SHA-256)
//!
//! [`RespondLayer`]: https://docs.rs/buttress-respond

mod answer;
mod attempt;
mod body;
mod call;
mod call_id;
mod calls;
mod dedupe;
mod error;
mod event;
mod find;
mod fingerprint;
mod future;
mod hash;
mod keeping;
mod layer;
mod memory;
mod naming;
mod notes;
mod open;
mod outbound;
mod request;
mod scope;
mod service;
mod state;
mod store;
mod stored;
mod subscriber;
mod ticket;

pub use body::IdempotencyBody;
pub use call_id::CallId;
pub use error::{CallInFlight, KeyMissing, KeyReused, MalformedKey, RunElapsed};
pub use fingerprint::Fingerprint;
pub use future::ResponseFuture;
pub use layer::IdempotencyLayer;
pub use memory::MemoryStore;
pub use notes::Judgement;
pub use outbound::{IdempotencyKeyLayer, IdempotencyKeys};
pub use request::RequestBody;
pub use scope::Scope;
pub use service::Idempotency;
pub use state::Duplicates;
pub use store::{Claim, IdempotencyStore, Lease, Reply};
pub use stored::Stored;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
