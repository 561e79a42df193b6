//! Counts heap allocations; started by the table.

use std::alloc::System;
use std::io;

use buttress_benches::measure::allocations::{Allocated, count};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> io::Result<()> {
    count(&buttress_benches::cases(), || {
        let stats = ALLOCATOR.stats();
        Allocated {
            count: (stats.allocations + stats.reallocations) as u64,
            bytes: stats.bytes_allocated as u64,
        }
    })
}
