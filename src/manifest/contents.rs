//! What a file's bytes tell before they are parsed: nothing to find, encrypted, binary, or a text worth reading.

use memchr::memmem;

use crate::manifest::{Limits, Surroundings, documents, marker, names, plain};
use crate::model::file::RepoPath;
use crate::model::site::PassedOverReason;

/// How many bytes are looked at for a NUL, as Git does it.
const BINARY_PREFIX: usize = 8000;

/// How many bytes in front of a key are looked at; SOPS indents far less.
const LOOK_BACK: usize = 64;

/// How far behind a word the end of a key is looked for; what goes on longer is left to the parser.
const KEY_REST: usize = 128;

/// How long a name may be that is looked for before a tag.
const MAX_NAME: usize = 255;

/// What the bytes are.
pub enum Contents<'a> {
    /// No reference can stand in them.
    Nothing,
    /// They are not looked into.
    PassedOver(PassedOverReason),
    /// They may hold references.
    Text(&'a str),
}

/// Judges a file by one pass over its bytes.
pub(crate) fn read<'a>(path: &RepoPath, bytes: &'a [u8], surroundings: &Surroundings, limits: &Limits) -> Contents<'a> {
    let is_named = surroundings.formats_of(path).next().is_some();
    let language = plain::Language::of(path);
    let is_yaml = names::is_yaml(path);
    let size = bytes.len() as u64;
    if size > limits.max_bytes || u32::try_from(bytes.len()).is_err() {
        return Contents::PassedOver(PassedOverReason::TooLarge { size, limit: limits.max_bytes });
    }
    if is_yaml || is_named || language.is_some() {
        if bytes.starts_with(b"\0GITCRYPT\0") {
            return Contents::PassedOver(PassedOverReason::Encrypted("git-crypt"));
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Contents::PassedOver(PassedOverReason::NotUtf8);
        }
        if memchr::memchr(0, &bytes[..bytes.len().min(BINARY_PREFIX)]).is_some() {
            return Contents::PassedOver(PassedOverReason::Binary);
        }
    }
    let may_hold_any = if is_yaml { may_hold(bytes) } else { memmem::find(bytes, marker::WORD.as_bytes()).is_some() };
    let is_of_tool = || match language {
        Some(language) => language.may_hold(bytes),
        None => is_yaml && documents::may_hold(path, bytes),
    };
    if !may_hold_any && !is_named && !is_of_tool() {
        return Contents::Nothing;
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Contents::PassedOver(PassedOverReason::NotUtf8);
    };
    if is_yaml && is_sops(text) {
        return Contents::PassedOver(PassedOverReason::Encrypted("SOPS"));
    }
    if is_yaml && is_sealed_secret(text) {
        return Contents::PassedOver(PassedOverReason::Encrypted("Sealed Secrets"));
    }
    Contents::Text(text)
}

/// Whether YAML bytes can hold a reference: a key with `image` in it, a `repository`, a word of an artifact that is no
/// image, a marker, or a whole reference with its host.
///
/// A key written with escapes (`"im\u0061ge"`) is not seen; nobody writes one.
pub(crate) fn may_hold(bytes: &[u8]) -> bool {
    let names_image = memmem::find_iter(bytes, b"mage").any(|at| {
        let before = at.checked_sub(1).map(|index| bytes[index]);
        let after = &bytes[at + 4..];
        // `imagePullPolicy` and `imagePullSecrets` stand in many files that name no image.
        matches!(before, Some(b'i' | b'I'))
            && !after.starts_with(b"Pull")
            && (ends_a_key(after) || ends_a_pointer(&bytes[..at], after))
    });
    let names_repository = || memmem::find_iter(bytes, b"repository").any(|at| ends_a_key(&bytes[at + 10..]));
    let has_word = |word: &[u8]| memmem::find(bytes, word).is_some();
    // Charts in registries, bundles of Tekton and sources of Argo CD name no image as such.
    let names_artifact = || [&b"oci://"[..], b"bundle"].into_iter().any(has_word);
    let names_chart = || has_word(b"repoURL") && (has_word(b"chart:") || has_word(b"mage"));
    names_image
        || names_repository()
        || names_artifact()
        || names_chart()
        || has_word(marker::WORD.as_bytes())
        || holds_a_name_with_a_tag(bytes)
}

/// Whether `host.example/path:tag` stands anywhere, under whatever key.
///
/// The host has a point, as it must where nothing speaks of an image; a number alone behind the `:` is a port.
fn holds_a_name_with_a_tag(bytes: &[u8]) -> bool {
    let is_name =
        |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-' | b'/');
    let is_tag = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    memchr::memchr2_iter(b':', b'@', bytes).any(|at| {
        let tag = &bytes[at + 1..];
        if !tag.first().is_some_and(is_tag) || !at.checked_sub(1).is_some_and(|before| is_name(&bytes[before])) {
            return false;
        }
        let from = at.saturating_sub(MAX_NAME);
        let start = bytes[from..at].iter().rposition(|byte| !is_name(byte)).map_or(from, |last| from + last + 1);
        let name = &bytes[start..at];
        let Some(slash) = memchr::memchr(b'/', name) else { return false };
        let is_port = tag.iter().take_while(|byte| is_tag(byte)).all(u8::is_ascii_digit) && bytes[at] == b':';
        name[0].is_ascii_alphanumeric() && name[..slash].contains(&b'.') && slash + 1 < name.len() && !is_port
    })
}

/// Whether `/image` ends a JSON pointer in a patch that is written on one line.
fn ends_a_pointer(before: &[u8], after: &[u8]) -> bool {
    before.ends_with(b"/i") && matches!(after.first(), Some(b'"' | b'\'' | b',' | b'\\'))
}

/// Whether what follows a word makes it a key: the rest of the name, a quote, blanks, then `:`.
///
/// A line may end instead: `? image` has its colon on the next one.
fn ends_a_key(after: &[u8]) -> bool {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let name = after.iter().take(KEY_REST).take_while(|byte| is_name(byte)).count();
    let rest = &after[name..];
    let rest = rest.strip_prefix(b"\"").or(rest.strip_prefix(b"'")).unwrap_or(rest);
    let blanks = rest.iter().take(KEY_REST).take_while(|byte| is_blank(byte)).count();
    if name == KEY_REST || blanks == KEY_REST {
        return true;
    }
    let rest = &rest[blanks..];
    matches!(rest.first(), None | Some(b':' | b'\n' | b'\r' | b'#'))
}

/// Whether a file was encrypted with SOPS: its metadata stand under a key `sops` at the top.
fn is_sops(text: &str) -> bool {
    let bytes = text.as_bytes();
    let has_key = memmem::find_iter(bytes, b"sops").any(|at| {
        let (before, after) = (&bytes[at.saturating_sub(LOOK_BACK)..at], &bytes[at + 4..]);
        let is_plain =
            before.last().is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'\xbf')) && after.starts_with(b":");
        let indent = before.strip_suffix(b"\"").map(<[u8]>::trim_ascii_end);
        let is_json =
            indent.is_some_and(|rest| matches!(rest.last(), None | Some(b',' | b'{'))) && after.starts_with(b"\":");
        is_plain || is_json
    });
    has_key && (text.contains("ENC[AES256") || text.contains("mac:") || text.contains("\"mac\""))
}

/// Whether a file is one sealed secret.
fn is_sealed_secret(text: &str) -> bool {
    let is_only = memmem::find_iter(text.as_bytes(), b"\nkind:").count() <= 1;
    is_only && text.contains("kind: SealedSecret") && text.contains("encryptedData:")
}
