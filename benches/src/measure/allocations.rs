//! Heap allocations per call, exactly.
//!
//! They are counted in a process of their own: an allocator that counts is slower, and would be held
//! against those who allocate.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::str::FromStr;

use super::{COUNTED_CALLS, FIRST_CALLS, per_call};
use crate::case::Case;

/// Allocations of a number of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocated {
    /// How many; a reallocation is one.
    pub count: u64,
    /// Of how many bytes together.
    pub bytes: u64,
}

/// Per call.
#[derive(Debug, Clone, Copy)]
pub struct Allocations {
    /// How many.
    pub count: f64,
    /// Of how many bytes together.
    pub bytes: f64,
}

/// In the child: counts and prints one line per case.
///
/// `allocated` tells what the process has allocated so far.
///
/// # Errors
/// Where the parent does not listen.
pub fn count(cases: &[Case], allocated: impl Fn() -> Allocated) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for case in cases {
        let mut worker = case.worker();
        worker(FIRST_CALLS);
        let before = allocated();
        worker(COUNTED_CALLS);
        let after = allocated();
        let counted = Allocated {
            count: after.count - before.count,
            bytes: after.bytes - before.bytes,
        };
        writeln!(out, "{counted}")?;
    }
    Ok(())
}

/// In the parent: what each case allocates per call.
///
/// # Errors
/// Where the child cannot be started or says something else.
pub fn measure(cases: &[Case], child: &Path) -> io::Result<Vec<Allocations>> {
    let output = Command::new(child).output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let counted: Result<Vec<Allocated>, _> = text.lines().map(str::parse).collect();
    let counted = counted.map_err(io::Error::other)?;
    if counted.len() != cases.len() {
        return Err(io::Error::other("allocations were counted of other cases"));
    }
    Ok(counted
        .into_iter()
        .map(|Allocated { count, bytes }| Allocations {
            count: per_call(count, COUNTED_CALLS),
            bytes: per_call(bytes, COUNTED_CALLS),
        })
        .collect())
}

// ===== impl Allocated =====

impl fmt::Display for Allocated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.count, self.bytes)
    }
}

impl FromStr for Allocated {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        line.split_once(' ')
            .and_then(|(count, bytes)| {
                Some(Self {
                    count: count.parse().ok()?,
                    bytes: bytes.parse().ok()?,
                })
            })
            .ok_or_else(|| format!("not a count of allocations: {line}"))
    }
}
