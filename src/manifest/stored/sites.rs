//! References and what was passed over.

use crate::manifest::stored::bytes::{Reader, Stored, Writer, choice, record, text};
use crate::model::file::{Position, RepoPath, Span};
use crate::model::image::{Digest, ImageName, Tag};
use crate::model::site::{
    Format, MarkedPart, Marker, Named, PassedOver, PassedOverReason, PolicyReference, ScalarStyle, Site, SkipReason,
    Slot, SlotRole, Value,
};

/// The words that results hold as constants of the program, so that reading them gives the constants again.
///
/// A result with a word that is missing here is not stored; the test over all fixtures tells of one.
const WORDS: [&str; 42] = [
    "git-crypt",
    "SOPS",
    "Sealed Secrets",
    "an environment variable",
    "an argument",
    "the data of a ConfigMap",
    "a parameter that no step runs as its image",
    "a parameter that may name an image to be built",
    "a repository and a tag in a resource of another tool",
    "a key that no format knows",
    "secretRef",
    "certSecretRef",
    "proxySecretRef",
    "serviceAccountName",
    "provider",
    "insecure",
    "`git.push.refspec`",
    "`git.push.options`",
    "`git.commit.signingKey`",
    "`policySelector`",
    "`suspend`",
    "force-update",
    "forceUpdate",
    "helm.image-name",
    "helm.image-tag",
    "helm.image-spec",
    "kustomize.image-name",
    "pull-secret",
    "write-back-method",
    "write-back-target",
    "git-branch",
    "git-repository",
    "useAnnotations",
    "manifestTargets.helm.name",
    "manifestTargets.helm.tag",
    "manifestTargets.helm.spec",
    "manifestTargets.kustomize.name",
    "pullSecret",
    "labelSelectors",
    "the data of a Secret",
    "a default in the schema of a custom resource",
    "a registry, a name and a tag under a key that names no image",
];

/// Words of one resource of another updater, apart since they are said together.
const WRITE_BACK: [&str; 3] =
    ["writeBackConfig.method", "writeBackConfig.gitConfig.branch", "writeBackConfig.gitConfig.writeBackTarget"];

fn words() -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().chain(WRITE_BACK)
}

impl Stored for &'static str {
    fn put(&self, out: &mut Writer<'_>) {
        match words().position(|word| word == *self) {
            Some(at) => at.put(out),
            None => out.is_whole = false,
        }
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        words().nth(usize::take(from)?)
    }
}

/// The file is that of the results, and not written down.
impl Stored for RepoPath {
    fn put(&self, out: &mut Writer<'_>) {
        out.is_whole &= self == out.path;
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(from.path.clone())
    }
}

impl Stored for Span {
    fn put(&self, out: &mut Writer<'_>) {
        self.start.put(out);
        self.len().put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let start = usize::take(from)?;
        let end = start.checked_add(usize::take(from)?)?;
        (end <= from.length).then_some(start..end)
    }
}

impl Stored for Position {
    fn put(&self, out: &mut Writer<'_>) {
        let Self { line, column } = self;
        line.put(out);
        column.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let (line, column) = Stored::take(from)?;
        let is_there = |number: usize| number > 0 && number <= from.length.saturating_add(1);
        (is_there(line) && is_there(column)).then_some(Self { line, column })
    }
}

text!(ImageName, ImageName::as_str, |text| text.parse().ok());
text!(Tag, Tag::as_str, |text| text.parse().ok());
text!(Digest, Digest::as_str, |text| text.parse().ok());

choice!(Format {
    0 => Kubernetes,
    1 => Kustomize,
    2 => HelmValues,
    3 => Chart,
    4 => ArgoCd,
    5 => Marked,
    6 => Compose,
    7 => Dockerfile,
    8 => GithubActions,
    9 => GitlabCi,
    10 => Hcl,
    11 => Ansible,
    12 => Crossplane,
    13 => Quadlet,
    14 => Devcontainer,
    15 => Helmfile,
    16 => Fleet,
    17 => Configured,
});

choice!(ScalarStyle { 0 => Plain, 1 => SingleQuoted, 2 => DoubleQuoted, 3 => Literal, 4 => Folded, 5 => Raw });
choice!(SlotRole { 0 => Version, 1 => Tag, 2 => Digest, 3 => ChartVersion });
choice!(MarkedPart { 0 => Whole, 1 => Name, 2 => Tag, 3 => Digest });
choice!(Marker { 0 => Ignore, 1 => Policy(policy), 2 => Named(reference), 3 => Faulty(reason) });

choice!(SkipReason {
    0 => Variable(text),
    1 => Template,
    2 => NoTag,
    3 => DigestOnly,
    4 => NotAReference(reason),
    5 => NoName,
    6 => DuplicateKey(key),
    7 => Alias(reason),
    8 => Unmarked(place),
    9 => Ignored,
    10 => FaultyMarker(reason),
    11 => NamedPolicy(reason),
    12 => NoRule,
    13 => NoEnvironment,
    14 => Unsupported(reason),
});

choice!(PassedOverReason {
    0 => Encrypted(tool),
    1 => Binary,
    2 => NotUtf8,
    3 => TooLarge { size, limit },
    4 => Template,
    5 => Broken { position, reason },
    6 => TooComplex(reason),
    7 => Link(reason),
    8 => NotAFile,
    9 => Submodule,
    10 => Unreadable(reason),
    11 => LinkWithin,
});

record!(Value { tag, digest });
record!(Named { within, resource, namespace });
record!(PolicyReference { namespace, name, part });

/// Which branch a file is on is nothing that its bytes and its path tell: who scans it says so.
impl Stored for Site {
    fn put(&self, out: &mut Writer<'_>) {
        let Self { branch, file, format, image, written, value, slots, position, offset, named, uses, marker, skipped } =
            self;
        out.is_whole &= branch.is_none();
        file.put(out);
        format.put(out);
        image.put(out);
        written.put(out);
        value.put(out);
        slots.put(out);
        position.put(out);
        offset.put(out);
        named.put(out);
        uses.put(out);
        marker.put(out);
        skipped.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self {
            branch: None,
            file: Stored::take(from)?,
            format: Stored::take(from)?,
            image: Stored::take(from)?,
            written: Stored::take(from)?,
            value: Stored::take(from)?,
            slots: Stored::take(from)?,
            position: Stored::take(from)?,
            offset: Stored::take(from)?,
            named: Stored::take(from)?,
            uses: Stored::take(from)?,
            marker: Stored::take(from)?,
            skipped: Stored::take(from)?,
        })
    }
}

impl Stored for PassedOver {
    fn put(&self, out: &mut Writer<'_>) {
        let Self { file, reason } = self;
        out.is_whole &= file == out.path.as_str();
        reason.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let reason = Stored::take(from)?;
        Some(Self { file: from.path.to_string(), reason })
    }
}

/// A slot lies within its scalar.
impl Stored for Slot {
    fn put(&self, out: &mut Writer<'_>) {
        let Self { role, span, token, style } = self;
        role.put(out);
        span.put(out);
        token.put(out);
        style.put(out);
    }

    fn take(from: &mut Reader<'_>) -> Option<Self> {
        let slot = Self {
            role: Stored::take(from)?,
            span: Stored::take(from)?,
            token: Stored::take(from)?,
            style: Stored::take(from)?,
        };
        (slot.token.start <= slot.span.start && slot.span.end <= slot.token.end).then_some(slot)
    }
}
