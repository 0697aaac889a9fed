//! What a file's name tells before it is read.

use crate::model::file::RepoPath;

/// Extensions of files that hold no text: images, archives, programs, fonts, media, keys, databases.
const BINARY: [&str; 62] = [
    "7z", "a", "apk", "avif", "bin", "bmp", "bz2", "class", "crt", "db", "deb", "der", "dll", "dylib", "ear", "eot",
    "exe", "flac", "gif", "gz", "heic", "ico", "iso", "jar", "jks", "jpeg", "jpg", "key", "mov", "mp3", "mp4", "o",
    "odt", "ogg", "otf", "p12", "parquet", "pdf", "pem", "pfx", "png", "pyc", "rar", "rpm", "so", "sqlite", "svg",
    "tar", "tgz", "tif", "tiff", "ttf", "war", "wasm", "wav", "webm", "webp", "woff", "woff2", "xlsx", "xz", "zip",
];

/// Whether a file can hold a reference, by its path alone.
///
/// A marker makes a line of any text file a reference, so that only what is surely no text is dismissed.
pub fn may_hold_reference(path: &str) -> bool {
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if path.starts_with(".git/") || path.contains("/.git/") {
        return false;
    }
    match name.rsplit_once('.') {
        Some((_, extension)) => {
            let extension = extension.to_ascii_lowercase();
            BINARY.binary_search(&extension.as_str()).is_err()
        }
        None => true,
    }
}

/// Whether a file is parsed as YAML; JSON is YAML.
pub(crate) fn is_yaml(path: &RepoPath) -> bool {
    let known = |extension: &str| ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    path.extension().is_some_and(known) || path.file_name() == "Kustomization"
}

/// Whether a file is JSON, with comments or without.
pub(crate) fn is_json(path: &RepoPath) -> bool {
    let known = |extension: &str| ["json", "jsonc", "json5"].iter().any(|known| extension.eq_ignore_ascii_case(known));
    path.extension().is_some_and(known)
}

/// Whether a mapping without a known format may be read as Helm values.
///
/// Chart metadata names charts, not images; JSON without `apiVersion` and `kind` is some tool's own, unless its name
/// says that it holds values.
pub(crate) fn may_be_values(path: &RepoPath) -> bool {
    let is_json = is_json(path);
    let is_own = path.as_str() == ".tagboat.yaml" || path.as_str().starts_with(".tagboat/");
    (!is_json || is_values_in_json(path.file_name()))
        && !is_own
        && !matches!(path.file_name(), "Chart.yaml" | "Chart.lock" | "requirements.yaml" | "requirements.lock")
}

/// `values.json`, `values-dev.json`, `dev.values.json`; no schema of values.
fn is_values_in_json(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".json") else { return false };
    let mut words = stem.split(['.', '-', '_']);
    !stem.ends_with("schema") && words.any(|word| word == "values")
}
