//! What the commands read that change nothing: a folder as it is, or a branch on a remote; each with its history.

use std::sync::Arc;

use crate::cli::arguments::Source;
use crate::cli::output::Failure;
use crate::cli::session::Session;
use crate::config::repository::Repository;
use crate::config::service::Service;
use crate::model::environment::BranchName;
use crate::pass::PassError;
use crate::pass::elsewhere::{self, Others};
use crate::pass::hold::Awaited;
use crate::pass::propose::Publishing;
use crate::pass::setup::{self, ForgeChoice, Opened, Target};
use crate::pass::view::{self, Viewed};

/// Opens what is meant, with its configuration; `forged` is what the command line says of its forge.
pub(super) fn open(
    session: &Session,
    source: &Source,
    forged: (ForgeChoice, Option<&str>),
    service: &Service,
) -> Result<(Viewed, Repository), Failure> {
    let Some(url) = &source.repo else {
        let config = session.repository(&source.folder)?;
        session.warn_of_inactive(&config);
        return Ok((view::folder(&source.folder), config));
    };
    let target = Target::Url { url, branch: source.branch.as_deref() };
    let Opened { remote, branch, .. } = setup::remote(&target, forged, service, &session.environment)?;
    let viewed = view::branch(Arc::clone(&remote), branch)?;
    let config = match &session.common.config {
        Some(path) => setup::repository_file(path)?,
        None => viewed.config()?,
    };
    session.warn_of_inactive(&config);
    Ok((viewed, config))
}

/// Returns the repository that is meant, by which its forge is told.
pub(super) fn target<'a>(source: &'a Source, viewed: &'a Viewed) -> Target<'a> {
    match &source.repo {
        Some(url) => Target::Url { url, branch: viewed.branch().map(BranchName::as_str) },
        None => Target::Checkout { folder: &source.folder, branch: None },
    }
}

/// Whether head branches are looked at: not where recorded answers stand in for a forge that would have to be asked about them.
pub(super) fn may_look(session: &Session, publishing: &Publishing) -> bool {
    session.common.snapshot.is_none() || !publishing.forge().has_pull_requests()
}

/// Returns what is proposed to be held, here and in the other repositories that are looked at.
pub(super) async fn awaited(
    (viewed, others): (&Viewed, &Others),
    config: &Repository,
    publishing: &Publishing,
) -> Result<Awaited, PassError> {
    let mut awaited = viewed.awaited(config, publishing).await?;
    elsewhere::awaited(config, others, &mut awaited).await;
    Ok(awaited)
}
