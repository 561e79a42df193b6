//! One stage's part of the time of a call.

mod layer;
mod portion;
mod service;

pub use layer::BudgetShareLayer;
pub use portion::Share;
pub use service::BudgetShare;
