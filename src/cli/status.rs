//! `tagboat status`: what every environment runs, what comes next and what that waits for.

use crate::cli::Outcome;
use crate::cli::arguments::Status;
use crate::cli::output::{note, print};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::cli::source;
use crate::clock::{Clock, SystemClock};
use crate::model::observation::Heard;
use crate::pass::hold::Awaited;
use crate::pass::order::standing::standing;
use crate::pass::record::Ledger;
use crate::pass::{Detail, Editing, Inputs, Turn, elsewhere, setup, status};
use crate::report::{exit, json, text};

/// Plans, reads history, and prints how things stand.
pub(super) fn run(session: &Session, arguments: &Status) -> Outcome {
    let service = session.service()?;
    let (viewed, mut config) = source::open(session, &arguments.source, arguments.forged.named(), &service)?;
    let branches = viewed.branches(&mut config);
    let tags = setup::source(&service, session.common.snapshot.as_deref(), &session.environment)?;
    let limits = setup::limits(&service);
    let bar = Bar::new(session.common.quiet);
    let target = source::target(&arguments.source, &viewed);
    let (publishing, branch) = setup::asked(&target, arguments.forged.named(), &service, &session.environment);
    let runtime = session.runtime()?;
    let own = setup::own(&target);
    let open = setup::neighbours(own.as_ref(), &service, &session.environment);
    let others = runtime.block_on(elsewhere::view(&config, &open));
    let may_look = source::may_look(session, &publishing);
    let awaited = match may_look {
        false => Awaited::default(),
        true => runtime.block_on(source::awaited((&viewed, &others), &config, &publishing))?,
    };
    let inputs = Inputs {
        config: &config,
        files: &*viewed.files,
        base: viewed.base.clone(),
        past: viewed.past.as_deref(),
        branches: &branches,
        others: &others,
        editing: Editing::Together,
        source: &*tags,
        sources: &setup::sources(&service, &session.environment),
        cache: session.cache(&service),
        limits: &limits,
        now: arguments.at.at.unwrap_or_else(|| SystemClock.now()),
        forge: session.asked(&publishing, &branch),
        detail: Detail::Outcome,
        only: &[],
        awaited,
        heard: Heard::default(),
        progress: &|progress| bar.tell(progress),
        turn: &Turn::default(),
    };
    let planned = runtime.block_on(crate::pass::plan(&inputs))?;
    let ledger = viewed.past.as_deref().map(|past| Ledger {
        config: &config,
        files: &*viewed.files,
        past,
        branches: &branches,
        others: &others,
        cache: session.cache(&service),
        limits: &limits,
    });
    let orders = match viewed.remote().filter(|_| may_look) {
        Some((remote, branch)) => runtime.block_on(standing(remote, &publishing, &inputs, (branch, &planned)))?,
        None => Vec::new(),
    };
    let status = status::status(planned, &inputs, ledger.as_ref(), orders);
    drop(bar);
    if viewed.past.is_none() {
        note(session, "note: there is no Git history here, so nothing is known of since when what runs");
    }
    print(
        |out| {
            if session.wants_json() { json::status(&status, out) } else { text::status(&status, &session.view(), out) }
        },
    )?;
    Ok(exit::of_errors(&status.errors))
}
