//! An error with what caused it, in one line.

use std::error::Error;

/// The error and its causes, each said once: `cannot connect: connection refused`.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Said(&'static str, #[source] Option<Box<Said>>);

    #[test]
    fn every_cause_is_said_once() {
        let error = Said("cannot connect", Some(Box::new(Said("cannot connect", Some(Box::new(Said("refused", None)))))));
        assert_eq!(with_causes(&error), "cannot connect: refused");
    }
}
