//! `tagboat demo`: the main job on this machine alone.

use std::io::{self, Write};

use crate::cli::Outcome;
use crate::cli::output::Failure;
use crate::cli::session::Session;
use crate::clock::SystemClock;
use crate::demo::{self, DemoError};
use crate::report::exit::Exit;

/// Shows the demo; its folder goes whether it ends well, fails, or is interrupted.
pub(super) fn run(session: &Session) -> Outcome {
    if session.wants_json() {
        let hint = "leave `--output json` out; every command that it shows has JSON of its own".to_owned();
        return Err(Failure::usage("the demo is a story for people and has no JSON", hint));
    }
    let failed =
        |error: io::Error| Failure::Failed(anyhow::Error::new(error).context("the demo needs a temporary folder"));
    let folder = tempfile::Builder::new().prefix("tagboat-demo-").tempdir().map_err(failed)?;
    let runtime = session.runtime()?;
    let mut out = io::stdout();
    let shown = runtime.block_on(async {
        let story = demo::show(folder.path(), &session.environment, &SystemClock, session.view(), &mut out);
        tokio::select! {
            shown = story => Some(shown),
            () = interrupted() => None,
        }
    });
    // Work on other threads ends with the runtime; only then is nobody left to write into the folder.
    drop(runtime);
    folder.close().map_err(failed)?;
    match shown {
        None => Err(Failure::Failed(anyhow::anyhow!("interrupted; nothing is left behind"))),
        Some(Ok(())) => Ok(out.flush().map(|()| Exit::Done)?),
        Some(Err(DemoError::Io(error))) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Some(Err(error)) => Err(Failure::Failed(error.into())),
    }
}

/// Waits until the program is asked to stop, from the terminal or by `SIGTERM`.
async fn interrupted() {
    let asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match asked {
            Ok(mut asked) => {
                asked.recv().await;
            }
            Err(_cannot_be_caught) => std::future::pending().await,
        }
    };
    tokio::select! {
        _caught_or_not = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
