//! The whole time of a call.

mod layer;
mod service;

pub use layer::{InvalidBudget, TimeoutBudgetLayer};
pub use service::{Budget, TimeoutBudget};
