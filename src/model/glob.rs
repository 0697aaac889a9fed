//! Globs over image names and over paths: `*` stays within one part, `**` crosses parts.
//!
//! Owns how patterns are normalised and matched; compiled once, when the configuration is read.

use std::borrow::Cow;
use std::fmt;

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};

use crate::model::image::{DOCKER_HUB, split_host};

/// A pattern that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}` is not a glob: {reason}")]
pub struct GlobError {
    /// The pattern as written.
    pub pattern: String,
    /// What the glob parser says.
    pub reason: String,
}

fn compile(pattern: &str, normal: &str) -> Result<globset::Glob, GlobError> {
    GlobBuilder::new(normal)
        .literal_separator(true)
        .backslash_escape(true)
        .build()
        .map_err(|error| GlobError { pattern: pattern.to_owned(), reason: error.kind().to_string() })
}

/// A glob over normalised image names, itself normalised: `nginx` means `docker.io/library/nginx`.
#[derive(Clone)]
pub struct ImageGlob {
    written: String,
    matcher: GlobMatcher,
}

impl ImageGlob {
    /// Parses a pattern over `registry/repository`.
    ///
    /// # Errors
    ///
    /// [`GlobError`] when the pattern is empty or no glob.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        if pattern.is_empty() {
            return Err(GlobError { pattern: String::new(), reason: "it is empty".to_owned() });
        }
        let matcher = compile(pattern, &normalise(pattern))?.compile_matcher();
        Ok(Self { written: pattern.to_owned(), matcher })
    }

    /// Whether the pattern covers a normalised image name.
    pub fn matches(&self, name: &str) -> bool {
        self.matcher.is_match(name)
    }

    /// Returns the pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }
}

impl fmt::Debug for ImageGlob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ImageGlob({:?})", self.written)
    }
}

impl PartialEq for ImageGlob {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// Spells a pattern's host as names spell it; a pattern whose first part may match several hosts stays.
fn normalise(pattern: &str) -> String {
    let (host, path) = split_host(pattern);
    let first_part = pattern.split('/').next().unwrap_or_default();
    if host.is_empty()
        && (first_part.contains("**") || (pattern.contains('/') && first_part.contains(['*', '?', '[', '{'])))
    {
        return pattern.to_owned();
    }
    let host = match host {
        "" | "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => DOCKER_HUB,
        other => other,
    };
    let library = if host == DOCKER_HUB && !path.contains('/') && !path.contains("**") { "library/" } else { "" };
    format!("{}/{library}{path}", host.to_ascii_lowercase())
}

/// A set of globs over paths relative to the repository's root, with `/` between parts.
#[derive(Clone)]
pub struct PathGlobs {
    written: Vec<String>,
    set: GlobSet,
}

impl PathGlobs {
    /// Parses patterns; a leading `./` or `/` is dropped, and a pattern that ends in `/` covers all below.
    ///
    /// # Errors
    ///
    /// [`GlobError`] for the first pattern that is empty or no glob.
    pub fn parse<S: AsRef<str>>(patterns: &[S]) -> Result<Self, GlobError> {
        let mut set = GlobSetBuilder::new();
        let mut written = Vec::with_capacity(patterns.len());
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let normal = normal(pattern);
            if normal.is_empty() {
                return Err(GlobError { pattern: pattern.to_owned(), reason: "it is empty".to_owned() });
            }
            set.add(compile(pattern, &normal)?);
            written.push(pattern.to_owned());
        }
        let set =
            set.build().map_err(|error| GlobError { pattern: written.join(", "), reason: error.kind().to_string() })?;
        Ok(Self { written, set })
    }

    /// Whether one of the patterns covers the path.
    pub fn matches(&self, path: &str) -> bool {
        self.set.is_match(path)
    }

    /// Returns the positions of the patterns that cover the path.
    pub fn matching(&self, path: &str) -> Vec<usize> {
        self.set.matches(path)
    }

    /// Returns the patterns as they were written.
    pub fn patterns(&self) -> &[String] {
        &self.written
    }
}

impl fmt::Debug for PathGlobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PathGlobs({:?})", self.written)
    }
}

impl PartialEq for PathGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

/// Returns a pattern for paths as it is matched: without `./` or `/` before it, and with `**` for all below a folder.
pub fn normal(pattern: &str) -> Cow<'_, str> {
    let trimmed = pattern.strip_prefix("./").unwrap_or(pattern).trim_start_matches('/');
    if trimmed.ends_with('/') { Cow::Owned(format!("{trimmed}**")) } else { Cow::Borrowed(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_image_patterns_as_names() {
        for (pattern, name, expected) in [
            ("nginx", "docker.io/library/nginx", true),
            ("ngin*", "docker.io/library/nginx", true),
            ("*", "docker.io/library/nginx", true),
            ("*", "ghcr.io/acme/web", false),
            ("**", "ghcr.io/acme/web", true),
            ("acme/*", "docker.io/acme/web", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/web", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/team/web", false),
            ("ghcr.io/acme/**", "ghcr.io/acme/team/web", true),
            ("GHCR.io/**", "ghcr.io/acme/web", true),
            ("*.example.com/web", "eu.example.com/web", true),
            ("*/acme/web", "ghcr.io/acme/web", true),
            ("localhost:*/web", "localhost:5000/web", true),
            ("index.docker.io/nginx", "docker.io/library/nginx", true),
            ("docker.io/**", "docker.io/library/nginx", true),
            ("ghcr.io/{acme,other}/web", "ghcr.io/other/web", true),
        ] {
            assert_eq!(ImageGlob::parse(pattern).unwrap().matches(name), expected, "{pattern} on {name}");
        }
    }

    #[test]
    fn path_globs_keep_to_one_part() {
        let globs = PathGlobs::parse(&["envs/dev/**", "./values-*.yaml", "apps/"]).unwrap();
        for (path, expected) in [
            ("envs/dev/a/b.yaml", true),
            ("envs/prod/a.yaml", false),
            ("values-dev.yaml", true),
            ("sub/values-dev.yaml", false),
            ("apps/x/y.yaml", true),
        ] {
            assert_eq!(globs.matches(path), expected, "{path}");
        }
        assert!(PathGlobs::parse(&["a[", ""]).is_err());
    }
}
