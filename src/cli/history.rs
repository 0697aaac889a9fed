//! `tagboat history` and `tagboat report`: what happened, and the figures of it, from Git alone.

use jiff::{SignedDuration, Timestamp};

use crate::cli::Outcome;
use crate::cli::arguments::{Forged, History, OutputFormat, Report, Source};
use crate::cli::output::{Failure, note, print};
use crate::cli::session::Session;
use crate::cli::source;
use crate::clock::{Clock, SystemClock};
use crate::config::repository::Repository;
use crate::model::environment::EnvironmentName;
use crate::model::image::ImageName;
use crate::pass::elsewhere::Others;
use crate::pass::record::{self, Asked, Ledger, MOST_READ, RecordError};
use crate::pass::setup;
use crate::report::exit::Exit;
use crate::report::{csv, json, text};

/// How long a period is where nobody says so.
const PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Tells what happened.
pub(super) fn run(session: &Session, arguments: &History) -> Outcome {
    let image = arguments.image.as_deref().map(str::parse).transpose();
    let asked = Asked {
        environment: arguments.environment.as_deref().map(EnvironmentName::from),
        image: image.map_err(|error| Failure::usage(format!("{error}"), None))?,
        since: arguments.since,
    };
    let history = read(session, (&arguments.source, &arguments.forged), |ledger| {
        if let Some(name) = &asked.environment
            && ledger.config.environments.named(name).is_none()
        {
            return Err(unknown(name, ledger.config));
        }
        record::history(ledger, &asked).map_err(|error| match error {
            RecordError::Pass(error) => error.into(),
            RecordError::Ambiguous(error) => Failure::usage(error.to_string(), None),
            RecordError::Unknown { ref alike, .. } => Failure::usage(error.to_string(), hint(alike)),
        })
    })?;
    warn_of_cut(session, history.cut, history.is_shallow);
    print(|out| match session.common.output {
        Some(OutputFormat::Json) => json::history(&history, out),
        Some(OutputFormat::Csv) => csv::history(&history, out),
        _ => text::history(&history, &session.view(), out),
    })?;
    Ok(Exit::Done)
}

/// Counts the figures of a period.
pub(super) fn report(session: &Session, arguments: &Report) -> Outcome {
    let until = arguments.until.unwrap_or_else(|| SystemClock.now());
    let since = arguments.since.or_else(|| until.checked_sub(PERIOD).ok()).unwrap_or(Timestamp::MIN);
    if since >= until {
        return Err(Failure::usage("the period ends before it begins", "--since must be before --until".to_owned()));
    }
    let delivery =
        read(session, (&arguments.source, &arguments.forged), |ledger| Ok(record::delivery(ledger, since, until)?))?;
    warn_of_cut(session, delivery.cut, delivery.is_shallow);
    print(|out| {
        if session.wants_json() {
            json::delivery(&delivery, out)
        } else {
            text::delivery(&delivery, &session.view(), out)
        }
    })?;
    Ok(Exit::Done)
}

/// Opens what is meant, and reads its record.
fn read<T>(
    session: &Session,
    (source, forged): (&Source, &Forged),
    read: impl FnOnce(&Ledger<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let service = session.service()?;
    let (viewed, mut config) = source::open(session, source, forged.named(), &service)?;
    let branches = viewed.branches(&mut config);
    let Some(past) = viewed.past.as_deref() else {
        let message = format!("{} is in no Git repository with a commit", source.folder.display());
        return Err(Failure::usage(message, "-C names a checkout, --repo a repository".to_owned()));
    };
    read(&Ledger {
        config: &config,
        files: &*viewed.files,
        past,
        branches: &branches,
        others: &Others::new(),
        cache: session.cache(&service),
        limits: &setup::limits(&service),
    })
}

/// Names the images that were perhaps meant, else those that there are.
fn hint(alike: &Result<Vec<ImageName>, Vec<ImageName>>) -> Option<String> {
    let (Ok(images) | Err(images)) = alike;
    let names: Vec<&str> = images.iter().map(ImageName::as_str).collect();
    match (alike, names.as_slice()) {
        (_, []) => None,
        (Ok(_), names) => Some(format!("did you mean {}?", names.join(" or "))),
        (Err(_), names) => Some(format!("there are: {}", names.join(", "))),
    }
}

fn unknown(name: &EnvironmentName, config: &Repository) -> Failure {
    let names: Vec<&str> = config.environments.0.iter().map(|other| other.name.as_str()).collect();
    Failure::usage(format!("there is no environment `{name}`"), format!("there are: {}", names.join(", ")))
}

/// Says down to when history was read, where more was asked for.
fn warn_of_cut(session: &Session, cut: Option<Timestamp>, is_shallow: bool) {
    let Some(cut) = cut else { return };
    if is_shallow {
        note(
            session,
            &format!(
                "warning: history is told down to {cut} alone: this clone has no more of it; `git fetch --unshallow` brings the rest"
            ),
        );
    } else {
        note(session, &format!("warning: history is told down to {cut} alone: at most {MOST_READ} commits are read"));
    }
}
