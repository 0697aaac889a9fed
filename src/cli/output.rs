//! Standard output and standard error: colour, width, and how failures are told.

use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::Path;

use crate::cli::arguments::{ColorChoice, OutputFormat};
use crate::cli::session::Session;
use crate::config::fault::Faults;
use crate::pass::PassError;
use crate::pass::setup::SetupError;
use crate::report::exit::Exit;
use crate::report::github;

/// Why a command ended before it could print a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The configuration, or how the command was called.
    #[error("{message}")]
    Usage {
        /// What is wrong.
        message: String,
        /// What to do now.
        hint: Option<String>,
    },
    /// What was asked for may not be done as things stand.
    #[error("{message}")]
    Refused {
        /// Why.
        message: String,
        /// What to do now.
        hint: Option<String>,
    },
    /// A configuration file has faults; each is told with its place.
    #[error("the configuration has faults")]
    Faults(#[from] Faults),
    /// Everything else.
    #[error("{0:#}")]
    Failed(anyhow::Error),
    /// Standard output was closed by whoever reads it: no failure of ours.
    #[error("standard output is closed")]
    Closed,
}

impl Failure {
    /// Says that the command was called in a way that cannot be right.
    pub(super) fn usage(message: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Closed,
            _ => Self::Failed(anyhow::Error::new(error).context("cannot write to standard output")),
        }
    }
}

impl From<PassError> for Failure {
    fn from(error: PassError) -> Self {
        match error {
            PassError::Configuration(faults) => Self::Faults(faults),
            PassError::Ambiguous(error) => Self::usage(error.to_string(), None),
            PassError::NotConfigured(_) => {
                Self::usage(error.to_string(), "`tagboat plan` and `tagboat update` work without one".to_owned())
            }
            other => Self::Failed(other.into()),
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        match error {
            SetupError::Configuration(faults) => Self::Faults(faults),
            SetupError::Checkout(_)
            | SetupError::Url(_)
            | SetupError::NoBranch
            | SetupError::Branch(_)
            | SetupError::ForgeUrl(_)
            | SetupError::App(_)
            | SetupError::SeveralServers { .. }
            | SetupError::Unsupported(_)
            | SetupError::Variable(_)
            | SetupError::Unreadable { .. }
            | SetupError::Snapshot { .. } => Self::usage(error.to_string(), None),
            SetupError::NoCacheFolder | SetupError::Git(_) => Self::Failed(error.into()),
        }
    }
}

/// One of the two streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Error,
}

/// Whether a stream gets colour.
pub(super) fn wants_color(choice: ColorChoice, stream: Stream, no_color: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            let is_terminal = match stream {
                Stream::Output => io::stdout().is_terminal(),
                Stream::Error => io::stderr().is_terminal(),
            };
            is_terminal && !no_color
        }
    }
}

/// Writes a result to standard output, buffered.
///
/// # Errors
///
/// [`Failure::Closed`] when nobody reads on, else [`Failure::Failed`].
pub(super) fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    const BUFFER: usize = 1 << 17;
    // Standard output itself would look for line ends in every block, and split it there.
    let direct = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let mut out = BufWriter::with_capacity(BUFFER, direct);
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

/// Tells on standard error why a command ended, and returns the exit code.
pub(super) fn fail(session: &Session, failure: &Failure) -> Exit {
    let color = session.wants_color(Stream::Error);
    let (text, exit) = match failure {
        Failure::Closed => return Exit::Done,
        Failure::Usage { message, hint } => (told(message, hint.as_deref()), Exit::Usage),
        Failure::Refused { message, hint } => (told(message, hint.as_deref()), Exit::Failed),
        Failure::Faults(faults) => (format!("{}\n", faults.render(color, session.width()).trim_end()), Exit::Usage),
        Failure::Failed(error) => (format!("error: {error:#}\n"), Exit::Failed),
    };
    // Nothing is left to tell a reader who closed the stream, too.
    let _closed = match session.common.output {
        // The log shows it in its place; as it is, a line of it could be a command.
        Some(OutputFormat::Github) => print(|out| github::failure(text.trim_start_matches("error: "), out)).is_err(),
        _ => io::stderr().lock().write_all(text.as_bytes()).is_err(),
    };
    exit
}

fn told(message: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("hint: {hint}\n")).unwrap_or_default();
    format!("error: {message}\n{hint}")
}

/// Tells something on standard error, unless only errors are wanted.
pub(super) fn note(session: &Session, text: &str) {
    if !session.common.quiet {
        let _closed = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Writes to what a person names, as a shell's redirection would: a regular file whole or not at all, and what is none,
/// as a link, a device or a pipe, is written through and never replaced. A single `-` is standard output.
pub(super) fn write_to(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    if path == Path::new("-") {
        return print(|out| out.write_all(bytes));
    }
    let written = match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => File::create(path).and_then(|mut file| file.write_all(bytes)),
        _ => write_over(path, bytes),
    };
    written
        .map_err(|error| Failure::Failed(anyhow::Error::new(error).context(format!("cannot write {}", path.display()))))
}

/// Writes a file whole, and never over another.
///
/// # Errors
///
/// [`Failure::Usage`] when there is one already.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error: io::Error| {
        Failure::Failed(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
    };
    match scratch(path, bytes).map_err(failed)?.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
            let hint = "it is never overwritten: move it away, or print the new one with --out -".to_owned();
            Err(Failure::usage(format!("{} is there already", path.display()), hint))
        }
        Err(error) => Err(failed(error.error)),
    }
}

/// Writes a file that Tagboat makes and nobody edits, at once as a whole, over an older one.
pub(super) fn write_over(path: &Path, bytes: &[u8]) -> io::Result<()> {
    scratch(path, bytes)?.persist(path)?;
    Ok(())
}

/// Writes bytes to a file without a name yet, in the folder where it will get one.
fn scratch(path: &Path, bytes: &[u8]) -> io::Result<tempfile::NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let mut builder = tempfile::Builder::new();
    // A configuration is for everyone who may read its folder, unlike a scratch file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    Ok(file)
}
