//! What is counted, and what is timed.

pub mod allocations;
pub mod instructions;
pub mod threads;
pub mod time;

use self::allocations::Allocations;
use self::instructions::Instructions;

/// Calls per case where things are counted: enough to round away what happens once.
pub const COUNTED_CALLS: u64 = 1_000;
/// Calls before anything is counted: what is made at first use has been made.
pub const FIRST_CALLS: u64 = 1;

/// What one call takes.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// `None` without Valgrind.
    pub instructions: Option<Instructions>,
    /// On the heap.
    pub allocations: Allocations,
    /// Of one thread that does nothing else.
    pub nanoseconds: f64,
    /// The size of the future, in bytes.
    pub future_size: usize,
    /// The calls of two threads for one call of one; `None` for those that sleep.
    pub threads: Option<f64>,
}

impl Cost {
    /// What this takes more than another. The size and the ratio stay as they are.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            instructions: self.instructions.zip(base.instructions).map(|(own, base)| {
                Instructions {
                    count: own.count - base.count,
                    clock_reads: own.clock_reads - base.clock_reads,
                }
            }),
            allocations: Allocations {
                count: self.allocations.count - base.allocations.count,
                bytes: self.allocations.bytes - base.allocations.bytes,
            },
            nanoseconds: self.nanoseconds - base.nanoseconds,
            ..*self
        }
    }
}

/// What one of many calls took.
#[expect(clippy::cast_precision_loss, reason = "totals here are far below 2^52")]
fn per_call(total: u64, calls: u64) -> f64 {
    total as f64 / calls as f64
}
