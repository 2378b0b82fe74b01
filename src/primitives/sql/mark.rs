//! The line that a copy leaves in its target's comment: incomplete from before the first byte, certified at the end.
//! Other lines of the comment are somebody else's and stay.

use crate::database::Identity;
use serde::Serialize;

/// What a database's comment says about how it was filled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Mark {
    /// A copy was begun and has not been proven.
    Incomplete { from: String },
    /// It was proven equal to this source once; the digest is the certificate's.
    Certified { digest: String, from: String },
}

const PREFIX: &str = "railrun: ";

impl Mark {
    pub fn incomplete(source: &Identity) -> Self {
        Mark::Incomplete { from: source.to_string() }
    }

    pub fn certified(digest: &str, source: &Identity) -> Self {
        Mark::Certified { digest: digest.into(), from: source.to_string() }
    }

    /// The mark in a comment, if there is one.
    pub fn find(comment: Option<&str>) -> Option<Self> {
        let words: Vec<&str> = comment?.lines().find_map(|line| line.trim().strip_prefix(PREFIX))?.split(' ').collect();
        match words[..] {
            ["incomplete", "copy", "from", from] => Some(Mark::Incomplete { from: from.into() }),
            ["certified", digest, "from", from] => Some(Mark::Certified { digest: digest.into(), from: from.into() }),
            _ => None,
        }
    }

    /// The comment with this mark in place of any earlier one.
    pub fn put(&self, comment: Option<&str>) -> String {
        let others = comment.unwrap_or_default().lines().filter(|line| !line.trim().starts_with(PREFIX));
        let mark = match self {
            Mark::Incomplete { from } => format!("{PREFIX}incomplete copy from {from}"),
            Mark::Certified { digest, from } => format!("{PREFIX}certified {digest} from {from}"),
        };
        others.map(str::to_owned).chain([mark]).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Identity {
        Identity { system_identifier: "7421".into(), database: "gitea".into(), oid: 16384 }
    }

    #[test]
    fn a_mark_reads_back_and_replaces_an_earlier_one() {
        let begun = Mark::incomplete(&source()).put(Some("Gitea's data"));
        assert_eq!(begun, "Gitea's data\nrailrun: incomplete copy from 7421/gitea#16384");
        let done = Mark::certified("ab12", &source()).put(Some(&begun));
        assert_eq!(done, "Gitea's data\nrailrun: certified ab12 from 7421/gitea#16384");
        assert_eq!(Mark::find(Some(&done)), Some(Mark::certified("ab12", &source())));
    }

    #[test]
    fn any_other_comment_is_no_mark() {
        for comment in [None, Some(""), Some("railrun"), Some("railrun: hello"), Some("railrun: certified")] {
            assert_eq!(Mark::find(comment), None, "{comment:?}");
        }
    }
}
