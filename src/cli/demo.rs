//! `tagboat demo`: the main job on this machine alone.

use std::io::Write;

use crate::cli::Outcome;
use crate::cli::output::Failure;
use crate::cli::session::Session;
use crate::clock::SystemClock;
use crate::demo::{self, DemoError};
use crate::report::exit::Exit;

/// Shows the demo.
pub(super) fn run(session: &Session) -> Outcome {
    let mut out = std::io::stdout();
    let shown = session.runtime()?.block_on(demo::show(&session.environment, &SystemClock, session.view(), &mut out));
    match shown {
        Ok(()) => Ok(out.flush().map(|()| Exit::Done)?),
        Err(DemoError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Failure::Failed(error.into())),
    }
}
