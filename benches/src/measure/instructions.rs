//! Instructions and clock reads per call, counted by Valgrind's callgrind.
//!
//! The table starts itself again under Valgrind. The child runs every case inside of one function,
//! `counted_by_callgrind`. Callgrind counts instructions only there, and writes a profile each time it
//! is left. (Of calls it also counts those made before: another reason why there are few of them.)

use std::fs;
use std::hint::black_box;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{COUNTED_CALLS, FIRST_CALLS, per_call};
use crate::bench::Worker;
use crate::case::Case;

/// The argument that tells the table that it is the child.
pub const CHILD: &str = "--under-callgrind";

/// Per call.
#[derive(Debug, Clone, Copy)]
pub struct Instructions {
    /// All that were executed, those of the standard library and the allocator included.
    pub count: f64,
    /// Calls of `clock_gettime`. Valgrind makes them look cheap: each is some 20 ns in earnest.
    pub clock_reads: f64,
}

/// In the child: runs all cases.
pub fn run(cases: &[Case]) {
    for case in cases {
        let mut worker = case.worker();
        worker(FIRST_CALLS);
        counted_by_callgrind(&mut worker);
    }
}

#[inline(never)]
fn counted_by_callgrind(worker: &mut Worker) {
    worker(COUNTED_CALLS);
    // Something to come back for: a tail call would leave this function before the work is done.
    black_box(());
}

/// In the parent: what each case takes per call. `None` where there is no Valgrind.
///
/// # Errors
/// Where Valgrind fails, or counts something else.
pub fn measure(
    cases: &[Case],
    child: &Path,
    scratch: &Path,
) -> io::Result<Option<Vec<Instructions>>> {
    let valgrind = Command::new("valgrind")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    if !valgrind.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    if scratch.exists() {
        fs::remove_dir_all(scratch)?;
    }
    fs::create_dir_all(scratch)?;
    let profile = scratch.join("profile");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-atstart=no"])
        .args(
            ["--toggle-collect", "--zero-before", "--dump-after"]
                .map(|option| format!("{option}={FUNCTION}")),
        )
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(child)
        .arg(CHILD)
        .output()?;
    if !output.status.success() {
        return Err(io::Error::other(String::from_utf8_lossy(&output.stderr)));
    }
    (1..=cases.len())
        .map(|case| read(&profile.with_extension(case.to_string())))
        .collect::<io::Result<_>>()
        .map(Some)
}

/// Callgrind knows functions by their full names.
const FUNCTION: &str = concat!(module_path!(), "::counted_by_callgrind");

/// Reads a profile: its total, and the calls of the clock.
fn read(profile: &Path) -> io::Result<Instructions> {
    let text = fs::read_to_string(profile)?;
    let unreadable = || io::Error::other(format!("not a profile: {}", profile.display()));
    let total = text
        .lines()
        .find_map(|line| line.strip_prefix("totals: "))
        .and_then(|total| total.trim().parse().ok())
        .ok_or_else(unreadable)?;
    Ok(Instructions {
        count: per_call(total, COUNTED_CALLS),
        clock_reads: per_call(calls_of("clock_gettime", &text), COUNTED_CALLS),
    })
}

/// Sums up the calls of functions whose names begin so.
///
/// A profile names a function where it meets it first, `cfn=(12) name`, and refers to it by its number
/// alone from then on; the number of calls is on the next line, `calls=3 …`.
fn calls_of(name: &str, profile: &str) -> u64 {
    let mut numbers = Vec::new();
    let mut is_callee = false;
    let mut calls = 0;
    for line in profile.lines() {
        if let Some((key, function)) = line.split_once("fn=(") {
            let (number, function_name) = function.split_once(')').unwrap_or((function, ""));
            if function_name.trim_start().starts_with(name) {
                numbers.push(number);
            }
            is_callee = key == "c" && numbers.contains(&number);
        } else if let (true, Some(counted)) = (is_callee, line.strip_prefix("calls=")) {
            let counted = counted
                .split(' ')
                .next()
                .and_then(|counted| counted.parse().ok());
            calls += counted.unwrap_or(0);
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::calls_of;

    #[test]
    fn calls_of_the_clock_are_found_by_name_and_by_number() {
        let profile = "\
            fn=(1) worker\n\
            cfn=(2) clock_gettime@@GLIBC_2.17\n\
            calls=3 -63 \n\
            * 30\n\
            cfn=(3) malloc\n\
            calls=100 1 \n\
            fn=(4) other\n\
            cfn=(2)\n\
            calls=4 +5 \n\
            * 40\n";
        assert_eq!(calls_of("clock_gettime", profile), 7);
        assert_eq!(calls_of("malloc", profile), 100);
        assert_eq!(calls_of("free", profile), 0);
    }
}
