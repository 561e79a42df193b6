//! Makes a call once, however often it is asked for.

mod call_id;
mod fingerprint;
mod store;
mod stored;

pub use call_id::CallId;
pub use fingerprint::Fingerprint;
pub use store::{Claim, IdempotencyStore, Lease, Reply};
pub use stored::Stored;
