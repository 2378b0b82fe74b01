//! What `check` found: a diagnostic with its place, ready to be printed. Finding it is `check`'s business.

use crate::engine::Source;
use crate::engine::place::{self, Spot};
use crate::engine::sheet::{Mark, Snippet};
use miette::{Diagnostic, LabeledSpan, NamedSource, Severity, SourceCode};
use rhai::Position;
use std::fmt::{self, Display};
use std::sync::Arc;

/// One thing that is wrong, or looks wrong, in a script.
#[derive(Clone, Debug)]
pub struct Finding {
    /// `check::unknown_function`.
    pub code: String,
    pub message: String,
    pub help: Option<String>,
    pub severity: Severity,
    /// The script's name, as reports show it.
    pub source: String,
    pub position: Position,
    text: NamedSource<Arc<str>>,
}

impl Finding {
    pub fn new(source: &Source, code: impl Into<String>, message: impl Into<String>, position: Position) -> Self {
        Self::in_text(&source.name, source.text.clone(), code, message, position)
    }

    /// A finding in a text that is no script.
    pub fn in_text(name: &str, text: Arc<str>, code: impl Into<String>, message: impl Into<String>, position: Position) -> Self {
        let text = NamedSource::new(name, text);
        let message = message.into();
        Self { code: code.into(), message, help: None, severity: Severity::Error, source: name.to_owned(), position, text }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    #[must_use]
    pub fn maybe(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }

    /// Something that works but is probably not meant.
    #[must_use]
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// `scripts/t02.rhai:41:24`.
    pub fn place(&self) -> String {
        place::show(&self.source, place::start(self.text.inner(), self.position))
    }

    pub(super) fn snippet(&self) -> Option<Snippet> {
        let spot = self.spot()?;
        Some(Snippet { name: self.source.clone(), text: self.text.inner().clone(), marks: vec![Mark { spot, label: None }] })
    }

    fn spot(&self) -> Option<Spot> {
        place::spot(self.text.inner(), self.position)
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Finding {}

impl Diagnostic for Finding {
    fn code(&self) -> Option<Box<dyn Display + '_>> {
        Some(Box::new(&self.code))
    }

    fn severity(&self) -> Option<Severity> {
        Some(self.severity)
    }

    fn help(&self) -> Option<Box<dyn Display + '_>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let spot = self.spot()?;
        Some(Box::new(std::iter::once(LabeledSpan::new(None, spot.start, spot.length))))
    }
}
