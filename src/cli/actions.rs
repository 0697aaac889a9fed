//! GitHub Actions: what a step leaves for whoever reads the run, and for later steps.
//!
//! Appends to the files that the runner names; where it names none, there is nobody to read them.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use crate::cli::output::{Failure, print};
use crate::cli::session::Session;
use crate::model::outcome::{Finding, Outcome};
use crate::pass::run::CONFIG_FILE;
use crate::report::text::Occasion;
use crate::report::{Base, github};

/// Writes the log, the annotations, the job summary and the outputs of a pass.
pub(super) fn outcome(session: &Session, outcome: &Outcome, occasion: Occasion, folder: &Path) -> Result<(), Failure> {
    let base = Base { folder: &folder.to_string_lossy(), named: Vec::new(), config: CONFIG_FILE };
    let nonce = nonce();
    print(|out| github::outcome(outcome, occasion, &base, &session.view(), &nonce, out))?;
    append(session, "GITHUB_STEP_SUMMARY", &github::summary(outcome, occasion))?;
    append(session, "GITHUB_OUTPUT", &github::outputs(outcome, occasion).to_file(&nonce))
}

/// Writes the job summary of a check.
pub(super) fn findings(session: &Session, findings: &[Finding], base: &Base<'_>) -> Result<(), Failure> {
    append(session, "GITHUB_STEP_SUMMARY", &github::findings(findings, base))
}

/// Returns what nobody who writes a manifest can know.
fn nonce() -> String {
    format!("{:032x}", fastrand::u128(..))
}

fn append(session: &Session, variable: &str, text: &str) -> Result<(), Failure> {
    let Some(path) = session.environment.variable(variable) else { return Ok(()) };
    let written = OpenOptions::new().append(true).create(true).open(path).and_then(|mut file| {
        // In one write, so that a step that is killed leaves no half of it.
        file.write_all(text.as_bytes())
    });
    written.map_err(|error| {
        Failure::Failed(anyhow::Error::new(error).context(format!("cannot write to the file of {variable}")))
    })
}
