//! What differs: shown line by line, and told from any other difference by what is shown and what is sealed.

use serde::Serialize;
use similar::TextDiff;
use std::fmt;

/// One line of a difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Edit {
    /// A value at a path; `None` stands for "absent".
    Field {
        path: String,
        from: Option<String>,
        to: Option<String>,
        /// What stands behind a masked value.
        #[serde(skip)]
        sealed: Sealed,
    },
    /// A text as a unified diff.
    Text { name: String, unified: String },
    /// Something said in words.
    Note(String),
    /// Something worth knowing that says nothing about what is changed: a size, an age.
    Aside(String),
}

/// Values that are never shown. They tell one difference from another, and that only through a keyed fingerprint.
#[derive(Clone, Default)]
pub struct Sealed(Vec<String>);

impl Sealed {
    pub fn of<'v>(values: impl IntoIterator<Item = Option<&'v str>>) -> Self {
        Self(values.into_iter().map(|value| value.unwrap_or_default().to_owned()).collect())
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// What is sealed does not take part in comparing what is shown.
impl PartialEq for Sealed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What differs, ready to be shown. Secrets never enter it: use [`Diff::secret`].
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Diff {
    pub edits: Vec<Edit>,
    /// What is sent or handed over beside what is shown: parameters, inputs, headers.
    #[serde(skip)]
    pub unseen: Sealed,
}

impl Diff {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.edits.is_empty()
    }

    #[must_use]
    pub fn field(mut self, path: impl Into<String>, from: Option<String>, to: Option<String>) -> Self {
        self.edits.push(Edit::Field { path: path.into(), from, to, sealed: Sealed::default() });
        self
    }

    /// A secret value that comes in place of another, or of none: told apart by fingerprint, never shown.
    #[must_use]
    pub fn sealed(self, path: impl Into<String>, before: Option<&str>, after: &str) -> Self {
        let mut diff = self.secret(path, before.is_some());
        if let Some(Edit::Field { sealed, .. }) = diff.edits.last_mut() {
            *sealed = Sealed::of([before, Some(after)]);
        }
        diff
    }

    /// More that tells this difference from another and is not shown.
    #[must_use]
    pub fn with_unseen(mut self, values: impl IntoIterator<Item = String>) -> Self {
        self.unseen.0.extend(values);
        self
    }

    /// What this difference is, for a keyed fingerprint: all that is shown except asides, and what is sealed.
    pub fn essence(&self) -> Vec<u8> {
        let parts = self.edits.iter().filter(|edit| !matches!(edit, Edit::Aside(_))).map(|edit| {
            let sealed: &[String] = if let Edit::Field { sealed, .. } = edit { &sealed.0 } else { &[] };
            serde_json::to_string(&(edit, sealed)).unwrap_or_default()
        });
        let unseen = (!self.unseen.0.is_empty()).then(|| serde_json::to_string(&self.unseen.0).unwrap_or_default());
        parts.chain(unseen).collect::<Vec<_>>().join("\n").into_bytes()
    }

    /// A secret value that is new or other than before: only that is shown.
    #[must_use]
    pub fn secret(self, path: impl Into<String>, existed: bool) -> Self {
        let (from, to) = if existed { (Some("[secret]".into()), "(secret changed)") } else { (None, "[secret]") };
        self.field(path, from, Some(to.into()))
    }

    /// A file's content, as a unified diff with three lines of context.
    #[must_use]
    pub fn text(mut self, name: impl Into<String>, before: &str, after: &str) -> Self {
        let unified = TextDiff::from_lines(before, after).unified_diff().context_radius(3).to_string();
        self.edits.push(Edit::Text { name: name.into(), unified });
        self
    }

    /// Something worth knowing that may differ from one look to the next.
    #[must_use]
    pub fn aside(mut self, text: impl Into<String>) -> Self {
        self.edits.push(Edit::Aside(text.into()));
        self
    }

    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.edits.push(Edit::Note(text.into()));
        self
    }

    pub fn extend(&mut self, other: Diff) {
        self.edits.extend(other.edits);
        self.unseen.0.extend(other.unseen.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_shown_tells_requests_apart() {
        let request = |unseen: &[&str]| Diff::new().note("update x").with_unseen(unseen.iter().map(|value| (*value).to_owned()));
        assert_ne!(request(&["a"]).essence(), request(&["b"]).essence());
        assert_eq!(request(&[]).essence(), Diff::new().note("update x").essence());
        assert!(!format!("{:?} {}", request(&["hunter22"]), serde_json::to_string(&request(&["hunter22"])).unwrap()).contains("hunter"));
    }
}
