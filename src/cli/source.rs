//! What the commands read that change nothing: a folder as it is, or a branch on a remote; each with its history.

use std::sync::Arc;

use crate::cli::arguments::Source;
use crate::cli::output::Failure;
use crate::cli::session::Session;
use crate::config::repository::Repository;
use crate::config::service::Service;
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
