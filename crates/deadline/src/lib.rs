//! Tower layers that give a call a time budget, tell everybody of it, and end the call with it.

mod body;
mod budget;
mod current;
mod error;
mod event;
mod future;
pub mod grpc_timeout;
mod hint;
mod share;
mod tell;
mod term;

pub use body::DeadlineBody;
pub use budget::{Budget, InvalidBudget, TimeoutBudget, TimeoutBudgetLayer};
pub use current::{Carry, carry, current};
pub use error::{DeadlineExceeded, ShareExceeded};
pub use future::ResponseFuture;
pub use hint::TimeoutHeader;
pub use share::{BudgetShare, BudgetShareLayer, Share};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
