//! What the last lines of a log give away about why a program ended.

/// A text in a line, what it means, one next step, and whether the trouble may pass without anyone's help.
pub(super) struct Sign {
    needle: &'static str,
    pub means: &'static str,
    pub help: &'static str,
    pub may_pass: bool,
}

const fn fate(needle: &'static str, means: &'static str, help: &'static str) -> Sign {
    Sign { needle, means, help, may_pass: false }
}

const fn passing(needle: &'static str, means: &'static str, help: &'static str) -> Sign {
    Sign { needle, means, help, may_pass: true }
}

const SIGNS: &[Sign] = &[
    fate("pool_passwd file does not contain an entry", "pgpool does not know its user", "add the user to `pgpool.customUsers`"),
    fate(
        "password authentication failed",
        "the database refuses its password",
        "compare the password in its values with the role's; with pgpool, the user must be in `pgpool.customUsers`",
    ),
    fate(
        "authentication failed",
        "its login is refused",
        "compare user and password in its values with the server's; pgpool must know the user, too",
    ),
    fate("no pg_hba.conf entry", "the database does not let it in from there", "add an entry to the server's `pg_hba.conf`"),
    fate("wrongpass", "Valkey refuses its password", "compare the password in its values with Valkey's"),
    fate("noauth authentication required", "Valkey wants a password", "give it Valkey's password"),
    fate("permission denied", "it may not do what it tries", "see the last lines, and `securityContext` (`fsGroup`, `runAsUser`)"),
    fate("read-only file system", "it writes where it may not", "mount a volume there, or allow writing"),
    fate("no space left on device", "a disk is full", "free space, or enlarge the volume"),
    fate("exec format error", "the image is not made for the node's architecture", "choose an image for this architecture"),
    fate("address already in use", "its port is taken", "choose another port, or end who uses it"),
    fate("unknown flag", "it does not know one of its options", "mend `args` in the values"),
    fate("flag provided but not defined", "it does not know one of its options", "mend `args` in the values"),
    fate("unrecognized option", "it does not know one of its options", "mend `args` in the values"),
    fate("x509: ", "it does not trust a certificate", "give it the right certificate authority"),
    fate("database files are incompatible", "its data were made by another version", "go back to that version, or migrate the data"),
    passing(
        "could not translate host name",
        "a name does not resolve",
        "see whether the Service it asks for exists, and whether cluster DNS answers",
    ),
    passing("no such host", "a name does not resolve", "see whether the Service it asks for exists, and whether cluster DNS answers"),
    passing(
        "name or service not known",
        "a name does not resolve",
        "see whether the Service it asks for exists, and whether cluster DNS answers",
    ),
    passing("temporary failure in name resolution", "cluster DNS does not answer", "see whether CoreDNS is ready"),
    passing("server misbehaving", "cluster DNS does not answer", "see whether CoreDNS is ready"),
    passing("connection refused", "something it needs does not answer", "see whether what it connects to is ready"),
    passing("no route to host", "something it needs cannot be reached", "see whether what it connects to is ready"),
    passing("i/o timeout", "something it needs does not answer in time", "see whether what it connects to is ready"),
    passing("too many clients already", "the database has no connection left", "lower the pool of its clients, or raise `max_connections`"),
];

/// The sign nearest to the end of a log.
pub(super) fn sign(lines: &[String]) -> Option<&'static Sign> {
    lines.iter().rev().find_map(|line| {
        let line = line.to_lowercase();
        SIGNS.iter().find(|sign| line.contains(sign.needle))
    })
}

/// The lines worth showing: the last ones, and before them the one that gives the cause away.
pub(super) fn worth_showing(lines: &[String]) -> Vec<String> {
    let spoken: Vec<&String> = lines.iter().filter(|line| !line.trim().is_empty()).collect();
    let tail = spoken.len().saturating_sub(SHOWN);
    let telling = spoken[..tail].iter().rev().find(|line| {
        let line = line.to_lowercase();
        SIGNS.iter().any(|sign| line.contains(sign.needle))
    });
    let telling = telling.filter(|_| sign(&lines[lines.len().saturating_sub(SHOWN)..]).is_none());
    telling.into_iter().chain(&spoken[tail..]).map(|line| line.trim_end().chars().take(200).collect()).collect()
}

const SHOWN: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_telling_line_is_shown_even_before_a_stack_trace() {
        let log = lines("start\npq: password authentication failed for user \"gitea\"\nat a\nat b\nat c\nat d\nat e");
        assert_eq!(worth_showing(&log), ["pq: password authentication failed for user \"gitea\"", "at b", "at c", "at d", "at e"]);
        assert!(!sign(&log).unwrap().may_pass);
    }

    #[test]
    fn a_telling_line_among_the_last_is_shown_once() {
        let log = lines("a\nb\nc\nd\ndial tcp: lookup db: no such host");
        assert_eq!(worth_showing(&log), ["b", "c", "d", "dial tcp: lookup db: no such host"]);
        assert_eq!(sign(&log).unwrap().means, "a name does not resolve");
    }

    #[test]
    fn a_silent_log_gives_nothing_away() {
        assert!(sign(&[]).is_none() && worth_showing(&[]).is_empty());
    }
}
