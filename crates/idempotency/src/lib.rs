//! Makes a call once, however often it is asked for.

mod answer;
mod body;
mod call;
mod call_id;
mod calls;
mod dedupe;
mod error;
mod event;
mod fingerprint;
mod future;
mod hash;
mod keeping;
mod key;
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
