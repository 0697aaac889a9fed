//! Files that are no YAML and have a format of their own, told by their names.
//!
//! Entry points: [`Language::of`], [`Language::may_hold`] for the byte search, and [`Language::find`].

use memchr::memmem;

use crate::manifest::finder::Found;
use crate::manifest::{dockerfile, hcl, quadlet};
use crate::model::file::RepoPath;
use crate::model::site::PassedOverReason;

/// A language with a reader of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// Dockerfiles and Containerfiles.
    Dockerfile,
    /// Terraform, OpenTofu, Nomad.
    Hcl,
    /// Podman's units.
    Quadlet,
}

impl Language {
    /// Tells the language of a file by its name.
    pub(crate) fn of(path: &RepoPath) -> Option<Self> {
        let name = path.file_name();
        let extension = path.extension().unwrap_or_default();
        if is_dockerfile(name, extension) {
            return Some(Self::Dockerfile);
        }
        match extension {
            "tf" | "tofu" | "tfvars" | "hcl" | "nomad" => Some(Self::Hcl),
            "container" | "image" | "volume" | "artifact" => Some(Self::Quadlet),
            "conf" if is_drop_in(path) => Some(Self::Quadlet),
            _ => None,
        }
    }

    /// Whether the bytes can hold a reference.
    pub(crate) fn may_hold(self, bytes: &[u8]) -> bool {
        let holds = |word: &str| memmem::find(bytes, word.as_bytes()).is_some();
        match self {
            Self::Dockerfile => ["FROM", "from", "From", "syntax"].iter().any(|word| holds(word)),
            Self::Hcl => holds("image"),
            Self::Quadlet => holds("Image"),
        }
    }

    /// Finds the references of a file, and why a part of it was not looked into, where that is so.
    pub(crate) fn find(self, text: &str) -> (Vec<Found>, Option<PassedOverReason>) {
        match self {
            Self::Dockerfile => (dockerfile::find(text), None),
            Self::Hcl => hcl::find(text),
            Self::Quadlet => (quadlet::find(text), None),
        }
    }
}

/// `Dockerfile`, `Dockerfile.dev`, `Containerfile-arm`, `web.dockerfile`; no programs and pages about them.
fn is_dockerfile(name: &str, extension: &str) -> bool {
    const OTHERS: [&str; 12] =
        ["dockerignore", "go", "html", "js", "json", "md", "py", "rb", "rs", "rst", "ts", "yaml"];
    let lower = name.to_ascii_lowercase();
    let is_whole =
        |word: &str| lower.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']));
    let is_one = is_whole("dockerfile") || is_whole("containerfile");
    let is_named_so = ["dockerfile", "containerfile"].iter().any(|word| extension.eq_ignore_ascii_case(word));
    (is_one || is_named_so) && !OTHERS.contains(&extension) && extension != "yml"
}

/// `web.container.d/10-image.conf`
fn is_drop_in(path: &RepoPath) -> bool {
    [".container.d", ".image.d", ".volume.d"].iter().any(|end| path.folder().ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::Language;
    use crate::model::file::RepoPath;

    #[test]
    fn names_tell_the_language() {
        let of = |name: &str| Language::of(&RepoPath::new(name).unwrap());
        for name in
            ["Dockerfile", "a/Dockerfile.dev", "web.Dockerfile", "web.dockerfile", "Containerfile", "dockerfile"]
        {
            assert_eq!(of(name), Some(Language::Dockerfile), "{name}");
        }
        for name in ["Dockerfile.md", "dockerfile_test.go", "Dockerfiles/a", "Dockerfile.dockerignore", "notes.txt"] {
            assert_eq!(of(name), None, "{name}");
        }
        assert_eq!((of("main.tf"), of("web.nomad.hcl")), (Some(Language::Hcl), Some(Language::Hcl)));
        assert_eq!(
            (of("web.container"), of("web.container.d/1.conf")),
            (Some(Language::Quadlet), Some(Language::Quadlet))
        );
    }
}
