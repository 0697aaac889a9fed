//! In how many places the C library keeps memory, for a process that lives for months.
//!
//! Entry point: [`keep_few`]. glibc keeps memory for up to eight threads a core apart, and what one thread took and another lets go
//! of, as passes on changing threads do, comes back late. How many places there are is read when a process begins, from its environment
//! alone; to say it from within takes unsafe code. So the program begins once more, as the same process. Other C libraries have none.

use crate::config::environment::Environment;

/// The variables by which an operator has said it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const VARIABLES: [&str; 2] = ["MALLOC_ARENA_MAX", "GLIBC_TUNABLES"];

/// How many places: fewer are slower where threads wait for each other, and more keep more (docs/performance.md).
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const ARENAS: &str = "2";

/// Begins this program once more with few places for memory, unless the operator has said how many. Where that cannot be, all goes on
/// as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn keep_few(environment: &Environment) {
    use std::os::unix::process::CommandExt as _;

    if VARIABLES.iter().any(|name| environment.variable(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    #[expect(clippy::disallowed_methods, reason = "it is this very program, as the same process")]
    let mut again = std::process::Command::new(program);
    let mut arguments = std::env::args_os();
    if let Some(name) = arguments.next() {
        again.arg0(name);
    }
    let error = again.args(arguments).env(VARIABLES[0], ARENAS).exec();
    tracing::debug!(%error, "memory is kept as the C library does by itself");
}

/// There is nothing to be said here.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn keep_few(_environment: &Environment) {}
