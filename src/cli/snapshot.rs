//! `tagboat snapshot`: records what registries answer.

use crate::cli::Outcome;
use crate::cli::arguments::Snapshot;
use crate::cli::output::{note, print, write_to};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::cli::source;
use crate::clock::{Clock, SystemClock};
use crate::model::observation::Heard;
use crate::pass::elsewhere::Others;
use crate::pass::hold::Awaited;
use crate::pass::setup::Recording;
use crate::pass::{Detail, Editing, Inputs, Turn, plan, report, setup};
use crate::report::{exit, trouble};

/// Plans with a source that records, and writes the record.
pub(super) fn run(session: &Session, arguments: &Snapshot) -> Outcome {
    let service = session.service()?;
    let (viewed, mut config) = source::open(session, &arguments.source, arguments.forged.named(), &service)?;
    let tags = setup::source(&service, session.common.snapshot.as_deref(), &session.environment)?;
    let recorder = Recording::of(tags);
    let bar = Bar::new(session.common.quiet);
    let branches = viewed.branches(&mut config);
    let inputs = Inputs {
        config: &config,
        files: &*viewed.files,
        base: viewed.base.clone(),
        past: viewed.past.as_deref(),
        branches: &branches,
        others: &Others::new(),
        editing: Editing::Together,
        source: recorder.source(),
        sources: &setup::sources(&service, &session.environment),
        cache: session.cache(&service),
        limits: &setup::limits(&service),
        now: SystemClock.now(),
        forge: Err("a snapshot is of registries alone".to_owned()),
        detail: Detail::EveryTag,
        only: &[],
        awaited: Awaited::default(),
        heard: Heard::default(),
        progress: &|progress| bar.tell(progress),
        turn: &Turn::default(),
    };
    let planned = session.runtime()?.block_on(plan(&inputs))?;
    drop(bar);
    let recorded = recorder.to_json(&planned.observation);
    match &arguments.out {
        Some(path) => write_to(path, recorded.as_bytes())?,
        None => print(|out| out.write_all(recorded.as_bytes()))?,
    }
    let outcome = report::outcome(planned, &config);
    for error in &outcome.errors {
        note(session, &trouble(error, &session.view()));
    }
    Ok(exit::of_errors(&outcome.errors))
}
