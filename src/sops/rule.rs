//! Which keys of a file sops encrypts, by the rule that the file itself carries. Sources: `shouldBeEncrypted` in
//! sops 3.11's `sops.go`; every name on the way to a value counts, list indices do not.

use super::{Key, Part, SopsError};
use regex::Regex;
use serde_yaml::Value;

#[derive(Clone, Debug)]
pub(super) enum Rule {
    /// Everything is encrypted; so being encrypted says little about being secret.
    Everything,
    EncryptedSuffix(String),
    UnencryptedSuffix(String),
    EncryptedRegex(Regex),
    UnencryptedRegex(Regex),
    /// Comments decide: only the stored file tells.
    Comments,
}

/// sops writes this suffix into a file that has no rule of its own.
const DEFAULT_SUFFIX: &str = "_unencrypted";

impl Rule {
    pub(super) fn of(metadata: Option<&Value>, file: &str) -> Result<Self, SopsError> {
        let field = |name: &str| metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_str).filter(|text| !text.is_empty());
        let regex = |text: &str| Regex::new(text).map_err(|error| SopsError::Invalid { file: file.into(), reason: error.to_string() });
        if let Some(text) = field("encrypted_regex") {
            return regex(text).map(Rule::EncryptedRegex);
        }
        if let Some(text) = field("unencrypted_regex") {
            return regex(text).map(Rule::UnencryptedRegex);
        }
        if field("encrypted_comment_regex").or(field("unencrypted_comment_regex")).is_some() {
            return Ok(Rule::Comments);
        }
        Ok(match (field("encrypted_suffix"), field("unencrypted_suffix")) {
            (Some(suffix), _) => Rule::EncryptedSuffix(suffix.into()),
            (None, Some(suffix)) if suffix != DEFAULT_SUFFIX => Rule::UnencryptedSuffix(suffix.into()),
            _ => Rule::Everything,
        })
    }

    /// Whether a value at this place is encrypted when it is written; `None` if the rule alone does not say.
    pub(super) fn encrypts(&self, key: &Key) -> Option<bool> {
        let any = |test: &dyn Fn(&str) -> bool| key.0.iter().any(|part| matches!(part, Part::Name(name) if test(name)));
        match self {
            Rule::Everything => Some(!any(&|name| name.ends_with(DEFAULT_SUFFIX))),
            Rule::EncryptedSuffix(suffix) => Some(any(&|name| name.ends_with(suffix))),
            Rule::UnencryptedSuffix(suffix) => Some(!any(&|name| name.ends_with(suffix))),
            Rule::EncryptedRegex(regex) => Some(any(&|name| regex.is_match(name))),
            Rule::UnencryptedRegex(regex) => Some(!any(&|name| regex.is_match(name))),
            Rule::Comments => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypts(metadata: &str, key: &str) -> Option<bool> {
        let metadata: Value = serde_yaml::from_str(metadata).unwrap();
        Rule::of(Some(&metadata), "x").unwrap().encrypts(&Key::parse(key).unwrap())
    }

    #[test]
    fn every_name_on_the_way_counts() {
        let regex = "encrypted_regex: ^(.*[Pp]assword|PASSWD)$";
        assert_eq!(encrypts(regex, "gitea.admin.password"), Some(true));
        assert_eq!(encrypts(regex, "gitea.password.parts[0].a"), Some(true));
        assert_eq!(encrypts(regex, "gitea.admin.username"), Some(false));
        assert_eq!(encrypts("unencrypted_regex: ^name$", "a.name"), Some(false));
        assert_eq!(encrypts("encrypted_suffix: _enc", "a_enc.b"), Some(true));
    }

    #[test]
    fn without_a_rule_everything_is_encrypted() {
        assert_eq!(encrypts("unencrypted_suffix: _unencrypted", "size"), Some(true));
        assert_eq!(encrypts("{}", "size_unencrypted"), Some(false));
        assert_eq!(encrypts("encrypted_comment_regex: x", "size"), None);
    }

    #[test]
    fn a_broken_rule_is_an_error() {
        let metadata: Value = serde_yaml::from_str("encrypted_regex: '['").unwrap();
        assert!(Rule::of(Some(&metadata), "x").is_err());
    }
}
