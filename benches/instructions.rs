//! One workload, once, for counting instructions: see `benches/instructions.sh`.
//!
//! Under `valgrind --tool=callgrind --toggle-collect=…::measured` only the work itself is counted, so that the
//! figure is the same whatever else the machine does.

mod workloads;

use std::hint::black_box;

/// The function whose instructions are counted.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a bench tells what it did")]
fn main() -> std::process::ExitCode {
    let workload = std::env::args().nth(1).unwrap_or_default();
    let count = match workload.as_str() {
        "scan" => {
            let text = workloads::large_file(1 << 20);
            measured(|| workloads::scan(&text))
        }
        "decide" => {
            let input = workloads::decision_over(&workloads::tag_list(20_000));
            measured(|| workloads::decide(&input))
        }
        "pass" => {
            let (remote, tags) = workloads::repository(200);
            measured(|| workloads::pass(&remote, &tags))
        }
        // `cargo bench` calls every bench with this flag.
        "--bench" | "" => return std::process::ExitCode::SUCCESS,
        other => {
            eprintln!("no workload `{other}`: scan, decide or pass");
            return std::process::ExitCode::FAILURE;
        }
    };
    println!("{workload}: {count}");
    std::process::ExitCode::SUCCESS
}
