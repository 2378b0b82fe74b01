//! Rhai's own messages, said in this project's words. Which place they belong to is `report`'s business.

use rhai::ParseError;

/// A message in the house's voice, with one next step where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: &'static str,
    pub message: String,
    pub help: Option<String>,
}

/// A syntax error.
pub fn of_syntax(error: &ParseError) -> Said {
    Said { code: "script::syntax", message: error.err_type().to_string(), help: None }
}
