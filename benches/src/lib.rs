//! What a call through a layer costs, ours beside the peers'.
//!
//! | module | holds |
//! |---|---|
//! | [`shape`] | the three requests that are sent: a number, a small HTTP request, a prompt |
//! | [`inner`] | the one service that all layers stand around |
//! | [`mod@bench`] | the loop that drives a service |
//! | [`case`] | a row of the table, and what it promises |
//! | [`retry`], [`judge`], [`heartbeat`], … | the rows of one layer each |
//! | [`measure`] | instructions, allocations, time, threads |
//! | [`table`] | the table, and the marks beside ours |
//!
//! To add a layer, write a file like [`retry`] and name it in [`cases`].

pub mod bench;
pub mod breaker;
pub mod case;
pub mod deadline;
pub mod fallback;
pub mod heartbeat;
pub mod idempotency;
pub mod inner;
pub mod judge;
pub mod measure;
pub mod respond;
pub mod retry;
pub mod shape;
pub mod stack;
pub mod table;
pub mod timeout;

use crate::case::Case;

/// All rows, in the order of the table: those of one group stand together, their base first.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = retry::cases();
    cases.extend(judge::cases());
    cases.extend(breaker::cases());
    cases.extend(fallback::cases());
    cases.extend(heartbeat::cases());
    cases.extend(timeout::cases());
    cases.extend(deadline::cases());
    cases.extend(respond::cases());
    cases.extend(idempotency::cases());
    cases.extend(stack::cases());
    cases
}
