//! Signing commits with the operator's keys: SSH in this process, GPG by the `gpg` program.
//!
//! Entry points: [`Keys`] and [`SshKey::read`]. A private key never leaves its type; commits that a forge signs are
//! absent, since the forge makes them.

use std::ffi::OsStr;
use std::fmt;
use std::io::Write as _;
use std::path::PathBuf;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use secrecy::{ExposeSecret as _, SecretString};
use ssh_key::private::KeypairData;
use ssh_key::{HashAlg, LineEnding, PrivateKey, Signature, SshSig};

use crate::git::GitError;
use crate::git::program::Program;
use crate::model::commit::Sign;

/// The namespace of Git's signatures (OpenSSH's PROTOCOL.sshsig; `gpg.ssh` in git-config).
const NAMESPACE: &str = "git";

/// How an armoured signature of SSH begins.
const SSH_BEGIN: &str = "-----BEGIN SSH SIGNATURE-----";
/// How one of OpenPGP begins.
const PGP_BEGIN: &str = "-----BEGIN PGP SIGNATURE-----";

/// Why an SSH key cannot sign. Never repeats it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is no private key.
    #[error("it is no private key of the kind ed25519 in OpenSSH's form, which `ssh-keygen -t ed25519` writes")]
    Form,
    /// It wants a passphrase, and nobody is there to give one.
    #[error("it has a passphrase: `ssh-keygen -p -N ''` takes it off a copy for Tagboat")]
    Passphrase,
    /// It is of another kind.
    #[error("its kind {0} does not sign here: `ssh-keygen -t ed25519` makes one that does")]
    Kind(String),
    /// Its parts do not fit together.
    #[error("its private and public parts do not fit together")]
    Broken,
}

/// The operator's SSH key. `Debug` shows nothing of it.
pub struct SshKey {
    pair: Ed25519KeyPair,
    public: ssh_key::PublicKey,
}

impl fmt::Debug for SshKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SshKey([redacted])")
    }
}

impl SshKey {
    /// Reads a private key as `ssh-keygen` writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] when it is of no use.
    pub fn read(text: &SecretString) -> Result<Self, KeyError> {
        // The form ends in a line end, which secrets lose where they are read.
        let text = whole_lines(text);
        let key = PrivateKey::from_openssh(text.expose_secret()).map_err(|_form| KeyError::Form)?;
        if key.is_encrypted() {
            return Err(KeyError::Passphrase);
        }
        let KeypairData::Ed25519(pair) = key.key_data() else {
            return Err(KeyError::Kind(key.algorithm().as_str().to_owned()));
        };
        let (seed, public) = (pair.private.to_bytes(), pair.public.0);
        let pair = Ed25519KeyPair::from_seed_and_public_key(&seed, &public).map_err(|_rejected| KeyError::Broken)?;
        Ok(Self { pair, public: key.public_key().clone() })
    }

    /// Signs what Git signs of a commit, and returns the armoured signature.
    fn sign(&self, payload: &[u8]) -> Option<String> {
        let signed = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, payload).ok()?;
        let signature = Signature::new(self.public.algorithm(), self.pair.sign(&signed).as_ref()).ok()?;
        let whole = SshSig::new(self.public.key_data().clone(), NAMESPACE, HashAlg::Sha512, signature).ok()?;
        whole.to_pem(LineEnding::LF).ok()
    }

    /// Whether an armoured signature of these bytes is by this key.
    fn made(&self, signature: &str, payload: &[u8]) -> bool {
        let Ok(whole) = SshSig::from_pem(signature) else { return false };
        let is_of = whole.public_key() == self.public.key_data() && whole.namespace() == NAMESPACE;
        let Ok(signed) = SshSig::signed_data(NAMESPACE, whole.hash_alg(), payload) else { return false };
        let key = UnparsedPublicKey::new(&ED25519, self.pair.public_key().as_ref());
        is_of && key.verify(&signed, whole.signature_bytes()).is_ok()
    }
}

fn whole_lines(text: &SecretString) -> SecretString {
    format!("{}\n", text.expose_secret().trim()).into()
}

/// A key in the operator's GPG keyring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GpgKey {
    /// Its fingerprint, its id, or the address of its owner.
    pub id: String,
    /// The folder of the keyring, where it is not the user's own.
    pub home: Option<PathBuf>,
}

/// The keys that commits of a repository may be signed with.
#[derive(Debug, Default)]
pub struct Keys {
    /// The SSH key; or why what was named is none.
    pub ssh: Option<Result<SshKey, String>>,
    /// The GPG key.
    pub gpg: Option<GpgKey>,
}

impl Keys {
    /// Whether there is what signs in some way; else what is missing, and what to do.
    ///
    /// # Errors
    ///
    /// The words for people.
    pub fn sign(&self, way: Sign) -> Result<(), String> {
        match (way, &self.ssh, &self.gpg) {
            (Sign::Ssh, Some(Ok(_)), _) | (Sign::Gpg, _, Some(_)) => Ok(()),
            (Sign::Ssh, Some(Err(reason)), _) => Err(format!("the SSH key that signs commits: {reason}")),
            (Sign::Ssh, None, _) => Err("there is no SSH key to sign with: the operator names one by \
                                         `signing.sshKeyFile` in the service configuration, or in TAGBOAT_SSH_SIGNING_KEY"
                .to_owned()),
            (Sign::Gpg, _, None) => Err("there is no GPG key to sign with: the operator names one by \
                                         `signing.gpgKey` in the service configuration, or in TAGBOAT_GPG_SIGNING_KEY"
                .to_owned()),
            (Sign::Forge, ..) => Err("only a forge signs so".to_owned()),
        }
    }

    /// Signs the bytes of a commit without its signature, and returns that.
    pub(super) fn signature(&self, way: Sign, payload: &[u8], program: &Program) -> Result<String, GitError> {
        self.sign(way).map_err(GitError::Unsigned)?;
        let signature = match (way, &self.ssh, &self.gpg) {
            (Sign::Ssh, Some(Ok(key)), _) => {
                key.sign(payload).ok_or_else(|| GitError::Unsigned("the SSH key signs nothing".to_owned()))?
            }
            (_, _, Some(key)) => by_gpg(key, payload, program)?,
            _ => return Err(GitError::Unsigned("there is no key to sign with".to_owned())),
        };
        // The header of a commit takes it without the last line end, as Git writes it.
        Ok(signature.trim_end().to_owned())
    }

    /// Whether one of these keys made a signature of some bytes, however many others are known.
    pub(super) fn made(&self, signature: &str, payload: &[u8], program: &Program) -> Result<bool, GitError> {
        match (&self.ssh, &self.gpg) {
            (Some(Ok(key)), _) if signature.starts_with(SSH_BEGIN) => Ok(key.made(signature, payload)),
            (_, Some(key)) if signature.starts_with(PGP_BEGIN) => is_by_gpg(key, signature, payload, program),
            _ => Ok(false),
        }
    }
}

fn by_gpg(key: &GpgKey, payload: &[u8], program: &Program) -> Result<String, GitError> {
    let arguments = ["--batch", "--no-tty", "--detach-sign", "--armor", "--local-user"].map(OsStr::new);
    let arguments: Vec<&OsStr> = arguments.into_iter().chain([OsStr::new(&key.id)]).collect();
    let finished = program.gpg(&arguments, key.home.as_deref(), payload)?;
    let text = String::from_utf8(finished.stdout.clone()).unwrap_or_default();
    if finished.succeeded() && text.starts_with(PGP_BEGIN) {
        return Ok(text);
    }
    let words = crate::git::program::words(&finished.stderr);
    Err(GitError::Unsigned(format!("gpg does not sign: {words}")))
}

/// Whether `gpg` finds a signature good, and by the very key that signs here: a keyring holds the keys of others, too.
fn is_by_gpg(key: &GpgKey, signature: &str, payload: &[u8], program: &Program) -> Result<bool, GitError> {
    let unkept = |fault: std::io::Error| GitError::Broken(format!("a signature cannot be handed to gpg: {fault}"));
    let mut file = tempfile::NamedTempFile::new().map_err(unkept)?;
    file.write_all(signature.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(unkept)?;
    let arguments = ["--batch", "--no-tty", "--status-fd", "1", "--verify"].map(OsStr::new);
    let arguments: Vec<&OsStr> = arguments.into_iter().chain([file.path().as_os_str(), OsStr::new("-")]).collect();
    let verified = program.gpg(&arguments, key.home.as_deref(), payload)?;
    let status = String::from_utf8_lossy(&verified.stdout).into_owned();
    let of = |name: &str| status.lines().find_map(|line| line.strip_prefix("[GNUPG:] ")?.strip_prefix(name));
    let Some(by) = of("VALIDSIG ").filter(|_| verified.succeeded() && of("GOODSIG ").is_some()) else {
        return Ok(false);
    };
    let arguments = ["--batch", "--no-tty", "--with-colons", "--list-secret-keys", "--"].map(OsStr::new);
    let arguments: Vec<&OsStr> = arguments.into_iter().chain([OsStr::new(&key.id)]).collect();
    let listed = program.gpg(&arguments, key.home.as_deref(), &[])?;
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let mut own = listed.lines().filter_map(|line| line.strip_prefix("fpr:")?.trim_end_matches(':').rsplit(':').next());
    let by = by.split(' ').next().unwrap_or_default();
    Ok(own.any(|own| own == by))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_and_never_repeated() {
        for text in ["", "hush", "-----BEGIN OPENSSH PRIVATE KEY-----\nhush\n-----END OPENSSH PRIVATE KEY-----"] {
            let error = SshKey::read(&text.into()).unwrap_err();
            assert_eq!(error, KeyError::Form);
            assert!(!error.to_string().contains("hush"));
        }
        assert!(Keys::default().sign(Sign::Ssh).unwrap_err().contains("signing.sshKeyFile"));
        assert!(Keys::default().sign(Sign::Gpg).unwrap_err().contains("signing.gpgKey"));
    }
}
