//! The age keys at hand: public ones that a backup is encrypted to, and identities that may open it. Machines that
//! make backups need no identity.

use crate::files::Files;
use crate::primitives::backup::error::BackupError;
use crate::settings::Settings;
use age::x25519::Recipient;
use age::{Identity, IdentityFile};

pub type Identities = Vec<Box<dyn Identity + Send + Sync>>;

/// Those whom the settings name. One alone could be lost, and the backups with it.
pub fn recipients(settings: &Settings) -> Result<Vec<Recipient>, BackupError> {
    let names = settings.list(KEY)?;
    let bad = |reason: String| BackupError::BadSetting { key: KEY, reason };
    let mut distinct: Vec<&str> = names.iter().map(|name| name.trim()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 2 {
        return Err(bad(format!("{} recipient is too few; name two, and keep their identities apart", distinct.len())));
    }
    distinct.into_iter().map(|name| name.parse().map_err(|reason| bad(format!("`{name}`: {reason}")))).collect()
}

const KEY: &str = "backup.recipients";

/// The identities at hand, from where sops would take them and from `backup.identity_file`. None is no error.
pub fn identities(settings: &Settings, files: &Files) -> Result<Identities, BackupError> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    let file = settings.find("backup.identity_file").map(|_| settings.text("backup.identity_file")).transpose()?;
    let mut found = Identities::new();
    for path in [variable("SOPS_AGE_KEY_FILE"), file].into_iter().flatten() {
        let text = files.read_given(&files.path(&path)).map_err(|error| unusable(&path, &error.to_string()))?;
        found.extend(parse(&path, &text)?);
    }
    if let Some(text) = variable("SOPS_AGE_KEY") {
        found.extend(parse("SOPS_AGE_KEY", &text)?);
    }
    Ok(found)
}

/// Never says what it read: that is a secret.
fn parse(name: &str, text: &str) -> Result<Identities, BackupError> {
    let file = IdentityFile::from_buffer(text.as_bytes()).map_err(|_| unusable(name, "it holds no age identities"))?;
    file.into_identities().map_err(|_| unusable(name, "its identities cannot be used"))
}

fn unusable(name: &str, reason: &str) -> BackupError {
    BackupError::BadSetting { key: "backup.identity_file", reason: format!("`{name}`: {reason}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use age::secrecy::ExposeSecret;

    fn settings(recipients: &[String]) -> Settings {
        let text = format!("settings: {{backup: {{recipients: [{}]}}}}", recipients.join(", "));
        Settings::parse("railrun.yaml", &text, None, &[]).unwrap()
    }

    #[test]
    fn a_backup_has_at_least_two_recipients() {
        let [one, two] = [(); 2].map(|()| age::x25519::Identity::generate().to_public().to_string());
        assert_eq!(recipients(&settings(&[one.clone(), two.clone()])).unwrap().len(), 2);
        for few in [vec![], vec![one.clone()], vec![one.clone(), one.clone()], vec![one, "age1nonsense".into()]] {
            assert!(recipients(&settings(&few)).is_err(), "{few:?}");
        }
    }

    #[test]
    fn an_identity_file_is_read_with_its_comments_and_never_shown() {
        let identity = age::x25519::Identity::generate();
        let text = format!("# created: today\n{}\n", identity.to_string().expose_secret());
        assert_eq!(parse("f", &text).unwrap().len(), 1);
        let error = parse("f", "AGE-SECRET-KEY-1NONSENSE").err().unwrap();
        assert!(!error.to_string().contains("NONSENSE"), "{error}");
    }
}
