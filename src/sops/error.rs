//! What can go wrong with an encrypted file, by sops' own exit codes (`cmd/sops/codes` in sops 3.11).

use crate::files::FileError;
use crate::process::ProcessError;
use miette::Diagnostic;
use serde_yaml::Value;

const MAC_MISMATCH: i32 = 51;
const MAC_NOT_FOUND: i32 = 52;
const NO_KEY: i32 = 128;
pub(super) const UNCHANGED: i32 = 200;
pub(super) const ALREADY_ENCRYPTED: i32 = 203;

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
pub enum SopsError {
    #[error("there is no file `{file}`")]
    #[diagnostic(code(sops::not_found), help("relative paths start at `{root}`; `sops::create` makes a new file"))]
    NoFile { file: String, root: String },
    #[error("`{file}` has no value at `{key}`")]
    #[diagnostic(code(sops::not_found))]
    NoValue {
        file: String,
        key: String,
        #[help]
        help: Option<String>,
    },
    #[error("`{key}` in `{file}` is a map or a list, not one value")]
    #[diagnostic(code(sops::not_a_value), help("name one value inside it"))]
    NotAValue { file: String, key: String },
    #[error("`{file}` was changed without sops: its MAC does not verify")]
    #[diagnostic(
        code(sops::mac_mismatch),
        help("take the last good version from git, then change it with `sops {file}`; nothing here ignores a MAC")
    )]
    MacMismatch { file: String },
    #[error("no key at hand decrypts `{file}`; it is encrypted for {recipients}")]
    #[diagnostic(code(sops::no_key), help("point `SOPS_AGE_KEY_FILE` to the file with one of these identities"))]
    NoKey { file: String, recipients: String },
    #[error("`{file}` is not encrypted by sops")]
    #[diagnostic(code(sops::not_encrypted), help("encrypt it with `sops encrypt --in-place {file}`, and change what was in it"))]
    NotEncrypted { file: String },
    #[error("what should be encrypted into `{file}` is encrypted already")]
    #[diagnostic(code(sops::already_encrypted), help("a map with a key `sops` cannot be encrypted: rename it"))]
    AlreadyEncrypted { file: String },
    #[error("`{file}` is there already")]
    #[diagnostic(code(sops::exists), help("change single values with `sops::set`"))]
    AlreadyThere { file: String },
    #[error("cannot encrypt `{file}`: {reason}")]
    #[diagnostic(code(sops::cannot_encrypt), help("add a creation rule for it to the `.sops.yaml` above it"))]
    CannotEncrypt { file: String, reason: String },
    #[error("cannot set `{key}` in `{file}`: {reason}")]
    #[diagnostic(code(sops::does_not_fit), help("set the outer value whole, if that is what you mean"))]
    DoesNotFit { file: String, key: String, reason: String },
    #[error("the list `{key}` in `{file}` has comments, which sops counts as items")]
    #[diagnostic(code(sops::commented_list), help("set the whole list, or move its comments above it"))]
    CommentedList { file: String, key: String },
    #[error("`{key}` is not a path to a value: {reason}")]
    #[diagnostic(code(sops::bad_key), help("write it like `gitea.admin.password`, `users[0].name` or `annotations.a\\.b`"))]
    BadKey { key: String, reason: String },
    #[error("`{file}` is not valid: {reason}")]
    #[diagnostic(code(sops::invalid))]
    Invalid { file: String, reason: String },
    #[error("cannot decrypt `{file}`: {reason}")]
    #[diagnostic(code(sops::failed), help("`sops decrypt {file}` by hand shows the same; the last good version is in git"))]
    Failed { file: String, reason: String },
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(FileError),
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(ProcessError),
}

impl From<FileError> for SopsError {
    fn from(error: FileError) -> Self {
        match error {
            FileError::NotFound { path, root } => SopsError::NoFile { file: path, root },
            error => SopsError::File(error),
        }
    }
}

impl SopsError {
    pub(super) fn bad_key(key: &str, reason: &str) -> Self {
        SopsError::BadKey { key: key.into(), reason: reason.into() }
    }

    pub(super) fn no_key<'k>(file: &str, key: &str, known: impl Iterator<Item = &'k str>) -> Self {
        let scored = known.map(|known| (strsim::jaro_winkler(known, key), known)).filter(|(score, _)| *score > 0.85);
        let help = scored.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, near)| format!("did you mean `{near}`?"));
        SopsError::NoValue { file: file.into(), key: key.into(), help }
    }

    pub(super) fn explain(file: &str, metadata: Option<&Value>, error: ProcessError) -> Self {
        let file = file.to_owned();
        match error.status() {
            Some(MAC_MISMATCH | MAC_NOT_FOUND) => SopsError::MacMismatch { file },
            Some(NO_KEY) => SopsError::NoKey { file, recipients: recipients(metadata) },
            Some(ALREADY_ENCRYPTED) => SopsError::AlreadyEncrypted { file },
            Some(_) => SopsError::Failed { file, reason: said(&error) },
            None => SopsError::Process(error),
        }
    }
}

/// The last line of what sops said.
pub(super) fn said(error: &ProcessError) -> String {
    let lines = || error.stderr().lines().map(str::trim).filter(|line| !line.is_empty());
    lines().next_back().unwrap_or("it gave no reason").to_owned()
}

/// Who can read a file: age recipients, PGP fingerprints, cloud keys.
fn recipients(metadata: Option<&Value>) -> String {
    let list = |kind: &str, field: &str| -> Vec<String> {
        let entries = metadata.and_then(|metadata| metadata.get(kind)).and_then(Value::as_sequence).into_iter().flatten();
        entries.filter_map(|entry| entry.get(field)?.as_str().map(|text| format!("`{text}`"))).collect()
    };
    let all = [list("age", "recipient"), list("pgp", "fp"), list("kms", "arn"), list("gcp_kms", "resource_id")].concat();
    if all.is_empty() { "other keys".into() } else { all.join(", ") }
}
