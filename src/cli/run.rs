//! `tagboat run`: one whole pass against a remote.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::cli::Outcome;
use crate::cli::arguments::Run;
use crate::cli::output::{Failure, note};
use crate::cli::progress::Bar;
use crate::cli::session::Session;
use crate::clock::{Clock, ClockFrom, SystemClock};
use crate::config::service::Service;
use crate::model::image::Written;
use crate::pass::PassError;
use crate::pass::permissions::TokenOfActions;
use crate::pass::run::{self, Mode};
use crate::pass::setup::{self, Kept, Opened, Target};
use crate::pass::watched::Impulse;
use crate::report::exit::{self, OnChanges};
use crate::report::text::Occasion;

/// What a run says that has not asked for everything.
const REMEMBERED: &str = "note: some of this is what the forge said to an earlier run; --ask-all asks everything anew";

/// How a pass ended, for what Apps were given in runs before.
#[derive(Default)]
struct End {
    /// Git let nobody in, before anything was done.
    is_denied: bool,
    /// It came to its end, and nothing in it failed.
    is_without_errors: bool,
}

/// Runs the pass, and prints what it did; once more where Git let nobody in by a token that an App was given in a run before.
pub(super) fn run(session: &Session, arguments: &Run) -> Outcome {
    let service = session.service()?;
    let (kept, mut end) = (OnceCell::new(), End::default());
    let mut passed = pass(session, arguments, &service, &kept, &mut end);
    let Some(kept_of_apps) = kept.get() else { return passed };
    if end.is_denied && kept_of_apps.let_go() {
        end = End::default();
        passed = pass(session, arguments, &service, &kept, &mut end);
    }
    // A dry run leaves what it was given by earlier runs as it is, and has tried too little to leave anything itself.
    if !arguments.dry_run {
        kept_of_apps.end(end.is_without_errors);
    }
    passed
}

fn target(arguments: &Run) -> Target<'_> {
    match &arguments.repo {
        Some(url) => Target::Url { url, branch: arguments.branch.as_deref() },
        None => Target::Checkout { folder: &arguments.folder, branch: arguments.branch.as_deref() },
    }
}

fn pass(session: &Session, arguments: &Run, service: &Service, kept: &OnceCell<Arc<Kept>>, end: &mut End) -> Outcome {
    let parsed = arguments.images.iter().map(|image| without_version(image).parse::<Written>());
    let only: Vec<Written> =
        parsed.collect::<Result<_, _>>().map_err(|error| Failure::usage(error.to_string(), None))?;
    let (choice, named) = arguments.forged.named();
    let target = target(arguments);
    let kept = || kept.get_or_init(|| Kept::over(session.cache(service)));
    let opened = setup::remote_kept(kept, &target, (choice, named), service, &session.environment);
    let opened = opened.inspect_err(|error| end.is_denied = error.is_denied())?;
    let cache = session.cache(service);
    let mode = if arguments.dry_run { Mode::DryRun } else { Mode::Act };
    let impulse = if arguments.ask_all == Some(true) { Impulse::Everything } else { Impulse::Routine };
    let opened = opened.in_turns(impulse, mode, cache);
    let publishing = opened.publishing((choice, named), service, &session.environment);
    let Opened { remote, branch, url, .. } = &opened;
    let token = TokenOfActions::of(choice, url, service, &session.environment);
    if let Some(warning) = token.warning() {
        note(session, warning);
    }
    let publishing = publishing?;
    let config = session.common.config.as_deref().map(setup::repository_file).transpose()?;
    let source = setup::source(service, session.common.snapshot.as_deref(), &session.environment)?;
    let bar = Bar::new(session.common.quiet);
    let warned = std::sync::Once::new();
    let runtime = session.runtime()?;
    let now = arguments.at.at.unwrap_or_else(|| SystemClock.now());
    let outcome = runtime.block_on(run::run(&run::Run {
        remote: Arc::clone(remote),
        branch,
        config,
        neighbours: &opened.neighbours(service, &session.environment),
        source: &*source,
        sources: &setup::sources(service, &session.environment),
        cache,
        limits: &setup::limits(service),
        now,
        clock: &ClockFrom::at(now),
        publishing: publishing.clone(),
        detail: session.detail(),
        only: &only,
        mode,
        progress: &|progress| bar.tell(progress),
        read_config: &|config| warned.call_once(|| session.warn_of_inactive(config)),
        turn: opened.turn(),
    }));
    let outcome = outcome.inspect_err(|error| end.is_denied = error.is_denied());
    let outcome = outcome.map_err(|error| unpushed(error, arguments))?;
    end.is_without_errors = outcome.errors.is_empty();
    drop(bar);
    if !arguments.dry_run {
        opened.leave_turns(cache, &outcome);
    }
    if token.warning().is_none()
        && !arguments.dry_run
        && let Some(warning) = runtime.block_on(token.warning_after(&publishing, &outcome))
    {
        note(session, warning);
    }
    let occasion = if arguments.dry_run { Occasion::DryRun } else { Occasion::Run };
    session.print_outcome(&outcome, occasion, &arguments.folder)?;
    if opened.turn().has_recalled() {
        note(session, REMEMBERED);
    }
    Ok(exit::of_outcome(&outcome, OnChanges::Ignore))
}

/// Leaves out a tag and a digest: what is in the registry decides.
fn without_version(written: &str) -> &str {
    let written = written.split_once('@').map_or(written, |(name, _)| name);
    // A colon before a slash is that of a port.
    written.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).map_or(written, |(name, _)| name)
}

/// Tells whoever has just made a configuration that it is not on the branch yet.
fn unpushed(error: PassError, arguments: &Run) -> Failure {
    match error {
        PassError::NotConfigured(branch)
            if arguments.repo.is_none() && arguments.folder.join(run::CONFIG_FILE).is_file() =>
        {
            let message = format!("{branch} has no .tagboat.yaml, and this folder has one");
            Failure::usage(message, "commit it and push it: what counts is the file on the branch".to_owned())
        }
        other => other.into(),
    }
}
