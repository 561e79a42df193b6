//! Tries again what may end better, and only that.

mod budget;
mod event;
mod future;
mod gates;
mod layer;
mod pause;
mod policy;
mod replay;
mod service;
mod sync;
mod ticket;

pub use budget::{BudgetLimits, RetryBudget};
pub use future::ResponseFuture;
pub use layer::RetryLayer;
pub use policy::{Facts, RetryOverride};
#[cfg(feature = "reqwest")]
pub use replay::SavedReqwest;
pub use replay::{Cloned, Discard, Drain, HttpReplay, Replay, SavedHttp, Weighed, WeighedRequest};
pub use service::Retry;
