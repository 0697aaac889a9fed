//! Files that hold secrets: small, and read anew each time, so that a file that was renewed counts at once.

use std::io::Read;
use std::path::Path;

use secrecy::SecretString;

use crate::registry::credentials::error::CredentialError;

/// How long a credential file may be; a real one has some kilobytes.
const MAX_FILE: u64 = 1 << 20;

/// Reads a small file; a long one is an error.
pub(super) fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("it is longer than 1 MiB"));
    }
    Ok(bytes)
}

/// Puts into words why a file could not be read.
pub(super) fn unreadable(file: &Path, error: &std::io::Error) -> CredentialError {
    CredentialError::Unreadable { file: file.to_owned(), reason: error.to_string() }
}

/// Reads a file that holds nothing but one secret on one line.
pub(super) fn one_line(file: &Path, form: &'static str) -> Result<SecretString, CredentialError> {
    let bytes = read(file).map_err(|error| unreadable(file, &error))?;
    match String::from_utf8(bytes).ok().as_deref().map(str::trim) {
        Some(text) if !text.is_empty() && !text.chars().any(char::is_control) => Ok(text.into()),
        _ => Err(CredentialError::Malformed {
            file: file.to_owned(),
            form,
            reason: "it has to hold nothing but one line".to_owned(),
        }),
    }
}
