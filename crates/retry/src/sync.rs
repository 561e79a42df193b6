//! The atomics of the budget: the standard library's, or loom's where every interleaving is tried.

#[cfg(buttress_loom)]
pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
#[cfg(not(buttress_loom))]
pub(crate) use std::sync::atomic::{AtomicU32, Ordering};
