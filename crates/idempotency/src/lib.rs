//! Makes a call once, however often it is asked for.

mod call_id;
mod error;
mod event;
mod fingerprint;
mod key;
mod memory;
mod naming;
mod scope;
mod store;
mod stored;

pub use call_id::CallId;
pub use error::{CallInFlight, KeyMissing, KeyReused, MalformedKey, RunElapsed};
pub use fingerprint::Fingerprint;
pub use memory::MemoryStore;
pub use scope::Scope;
pub use store::{Claim, IdempotencyStore, Lease, Reply};
pub use stored::Stored;
