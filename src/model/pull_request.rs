//! How pull requests look, from `pullRequest:` of the configuration.
//!
//! Owns the data only; templates are rendered where pull requests are made.

/// How pull requests look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullRequestStyle {
    /// The template of the title, where it is not the default one.
    pub title: Option<String>,
    /// The template of the body, where it is not the default one.
    pub body: Option<String>,
    /// The labels that it gets.
    pub labels: Vec<String>,
    /// Whether it is opened as a draft.
    pub draft: bool,
    /// What the names of head branches begin with.
    pub branch_prefix: String,
    /// Whether it may be merged although its head commit has no check at all.
    pub allow_no_checks: bool,
}

impl Default for PullRequestStyle {
    fn default() -> Self {
        Self {
            title: None,
            body: None,
            labels: Vec::new(),
            draft: false,
            branch_prefix: "tagboat/".to_owned(),
            allow_no_checks: false,
        }
    }
}
