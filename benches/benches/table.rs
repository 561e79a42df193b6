//! Prints the table. With `--check`, fails where ours is over its target.

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use buttress_benches::case::Case;
use buttress_benches::measure::{Cost, allocations, instructions, threads, time};
use buttress_benches::table::{self, Row};

fn main() -> io::Result<ExitCode> {
    let cases = buttress_benches::cases();
    let is_told = |argument| env::args().any(|given| given == argument);
    if is_told(instructions::CHILD) {
        instructions::run(&cases);
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = io::stdout().lock();
    let costs = measure(&cases)?;
    let rows: Vec<Row<'_>> = cases
        .iter()
        .zip(costs)
        .map(|(case, cost)| Row { case, cost })
        .collect();
    let over = table::print(&rows, &mut out)?;
    let complete = rows.iter().all(|row| row.cost.instructions.is_some());
    if !complete {
        writeln!(
            out,
            "skipped: valgrind not found: no instructions and no clock reads were counted"
        )?;
    }
    writeln!(out, "{over} rows of ours are over their targets")?;
    let fails = is_told("--check") && (over > 0 || !complete);
    Ok(if fails {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn measure(cases: &[Case]) -> io::Result<Vec<Cost>> {
    let scratch = Path::new(env!("CARGO_TARGET_TMPDIR")).join("callgrind");
    let counted = instructions::measure(cases, &env::current_exe()?, &scratch)?;
    let allocated = allocations::measure(cases, Path::new(env!("CARGO_BIN_EXE_allocations")))?;
    let timed = time::measure(cases);
    let shared = threads::measure(cases);
    let costs = cases.iter().enumerate().map(|(n, case)| Cost {
        instructions: counted.as_ref().map(|counted| counted[n]),
        allocations: allocated[n],
        nanoseconds: timed[n],
        future_size: (case.bench)().future_size(),
        threads: shared[n],
    });
    Ok(costs.collect())
}
