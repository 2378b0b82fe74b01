//! Which command lines are known to only read. Anything not on the list needs a permit.

use super::Command;

/// A program, the first words of its arguments, and a word that must be there too.
const READS: &[(&str, &[&str], Option<&str>)] = &[
    ("helm", &["template"], None),
    ("helm", &["show"], None),
    ("helm", &["get"], None),
    ("helm", &["list"], None),
    ("helm", &["status"], None),
    ("helm", &["history"], None),
    ("helm", &["version"], None),
    ("helm", &["upgrade"], Some("--dry-run=server")),
    ("sops", &["decrypt"], None),
    ("sops", &["encrypt", "--input-type", "yaml", "--output-type", "yaml", "--filename-override"], None),
    ("sops", &["filestatus"], None),
    ("sops", &["--version"], None),
    ("git", &["status"], None),
    ("git", &["rev-parse"], None),
    ("git", &["log"], None),
    ("git", &["show"], None),
    ("git", &["diff"], None),
    ("git", &["ls-files"], None),
    ("git", &["symbolic-ref", "--quiet", "--short"], None),
    ("git", &["merge-base"], None),
    ("git", &["for-each-ref"], None),
    ("git", &["check-ref-format"], None),
    ("git", &["config", "--get"], None),
    ("git", &["--version"], None),
    ("age", &["--version"], None),
];

/// Words that make a reading program write a file.
const WRITES: &[(&str, &[&str])] = &[("sops", &["-i", "--in-place", "--output"]), ("git", &["--output"])];

pub(super) fn only_reads(command: &Command) -> bool {
    // `helm4` is a helm.
    let program = command.program.rsplit('/').next().unwrap_or_default().trim_end_matches(|char: char| char.is_ascii_digit());
    let writes = |word: &str| WRITES.iter().any(|(name, words)| program == *name && words.contains(&word));
    if command.args.iter().any(|arg| writes(arg.split('=').next().unwrap_or_default())) {
        return false;
    }
    READS.iter().any(|(name, words, also)| {
        program == *name
            && command.args.len() >= words.len()
            && command.args.iter().zip(*words).all(|(arg, word)| arg == word)
            && also.is_none_or(|also| command.args.iter().any(|arg| arg == also))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upgrade_reads_only_as_a_server_side_dry_run() {
        assert!(only_reads(&Command::new("helm", ["upgrade", "gitea", "chart", "--dry-run=server"])));
        assert!(only_reads(&Command::new("/opt/helm4", ["upgrade", "gitea", "chart", "--dry-run=server"])));
        assert!(!only_reads(&Command::new("helm", ["upgrade", "gitea", "chart"])));
        assert!(!only_reads(&Command::new("helm", ["upgrade", "gitea", "chart", "--dry-run"])));
    }

    #[test]
    fn what_is_not_on_the_list_does_not_read() {
        assert!(!only_reads(&Command::new("git", ["commit"])));
        assert!(!only_reads(&Command::new("kubectl", ["get", "pods"])));
        assert!(!only_reads(&Command::new("sops", ["set", "a"])));
        assert!(!only_reads(&Command::new("sops", ["decrypt", "-i", "a"])));
        assert!(!only_reads(&Command::new("git", ["diff", "--output=a"])));
    }
}
