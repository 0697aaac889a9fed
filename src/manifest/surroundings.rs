//! What other files say about one: which folders are Helm charts and which of those have a lock file, whether there
//! is a pipeline, and what the configuration says about further places of references.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::file::RepoPath;
use crate::model::format::{ExtraFormat, ExtraPlace};

/// What the paths of a tree tell about each of its files.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Surroundings {
    /// The folders that hold a `Chart.yaml`, each with a `/` behind it; empty for the root.
    charts: BTreeSet<String>,
    /// The lock files of charts.
    locks: BTreeSet<String>,
    /// Whether GitLab finds a pipeline at the root.
    pipeline: bool,
    /// The entries of `formats:`.
    formats: Arc<[ExtraFormat]>,
}

impl Surroundings {
    /// Learns from all paths of a tree.
    pub fn new<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let folder =
            |path: &'a str| path.strip_suffix("Chart.yaml").filter(|rest| rest.is_empty() || rest.ends_with('/'));
        let is_lock = |path: &str| matches!(path.rsplit('/').next(), Some("Chart.lock" | "requirements.lock"));
        let mut surroundings = Self::default();
        for path in paths {
            surroundings.pipeline |= path == ".gitlab-ci.yml";
            surroundings.charts.extend(folder(path).map(str::to_owned));
            if is_lock(path) {
                surroundings.locks.insert(path.to_owned());
            }
        }
        surroundings
    }

    /// Whether the lock file of a `Chart.yaml` or `requirements.yaml` lies beside it.
    pub fn has_lock(&self, path: &RepoPath) -> bool {
        path.as_str().strip_suffix(".yaml").is_some_and(|stem| self.locks.contains(&format!("{stem}.lock")))
    }

    /// Whether a chart's dependency of a name lies unpacked below `charts/` beside its `Chart.yaml`.
    pub fn has_copy(&self, path: &RepoPath, name: &str) -> bool {
        let folder = path.as_str().strip_suffix(path.file_name()).unwrap_or_default();
        self.charts.contains(&format!("{folder}charts/{name}/"))
    }

    /// Adds the places that the configuration names.
    #[must_use]
    pub fn with_formats(self, formats: &[ExtraFormat]) -> Self {
        Self { formats: formats.into(), ..self }
    }

    /// Returns the configured formats that name a file.
    pub fn formats_of(&self, path: &RepoPath) -> impl Iterator<Item = &ExtraFormat> {
        self.formats.iter().filter(|format| format.files.matches(path.as_str()))
    }

    /// Says everything that a file's result may depend on, as texts in a fixed order.
    ///
    /// Two trees that say the same of a file give the same result for the same bytes.
    pub(crate) fn say(&self, path: &RepoPath, text: &mut impl FnMut(&str)) {
        let Self { charts, locks: _, pipeline, formats: _ } = self;
        let flags = [self.is_template(path), self.has_lock(path), *pipeline].map(|flag| if flag { "1" } else { "0" });
        flags.into_iter().for_each(&mut *text);
        let folder = path.as_str().strip_suffix(path.file_name()).unwrap_or_default();
        let below = format!("{folder}charts/");
        let copies = charts.range(below.clone()..).take_while(|chart| chart.starts_with(&below));
        copies.for_each(|chart| text(chart));
        text("");
        for format in self.formats_of(path) {
            match &format.place {
                ExtraPlace::Path(path) => ["path", &path.to_string()].into_iter().for_each(&mut *text),
                ExtraPlace::Regex(regex) => ["regex", regex.0.as_str()].into_iter().for_each(&mut *text),
            }
        }
    }

    /// Whether GitLab finds a pipeline at the root, which may include other files.
    pub(crate) fn has_pipeline(&self) -> bool {
        self.pipeline
    }

    /// Whether a file lies in the template folder of a chart.
    pub fn is_template(&self, path: &RepoPath) -> bool {
        let path = path.as_str();
        let below_root = path.starts_with("templates/") && self.charts.contains("");
        below_root || path.match_indices("/templates/").any(|(at, _)| self.charts.contains(&path[..=at]))
    }
}
