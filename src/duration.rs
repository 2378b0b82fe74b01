//! Durations as people write them: `"90s"`, `"24h"`, `"1m 30s"`. Parsing is jiff's; arithmetic is `std`'s.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt::{self, Display};
use std::time::Duration;

/// A duration read from an option or a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Reads `"90s"`, `"250ms"`, `"1h 30m"`, `"7d"`. Negative and bare numbers are refused.
pub fn parse(text: &str) -> Result<Duration, String> {
    let hours = text.trim().strip_suffix('d').and_then(|days| days.trim().parse::<u64>().ok()).map(|days| days * 24);
    if let Some(hours) = hours {
        return Ok(Duration::from_secs(hours * 3600));
    }
    let refuse = || format!("`{text}` is not a duration; write it like \"90s\", \"10m\" or \"24h\"");
    let parsed: jiff::SignedDuration = text.parse().map_err(|_| refuse())?;
    Duration::try_from(parsed).map_err(|_| refuse())
}

/// `412ms`, `3.1s`, `2m05s`, `1h02m`: never more than six characters that matter.
pub fn show(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.as_millis() < 100 => format!("{}ms", duration.as_millis()),
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// Whole and exact, as it can be read again: `1m 30s`.
impl Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::SignedDuration::try_from(self.0) {
            Ok(duration) => write!(f, "{duration:#}"),
            Err(_) => write!(f, "{}s", self.0.as_secs()),
        }
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Span).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_understood() {
        for (text, millis) in [("90s", 90_000), ("250ms", 250), ("24h", 86_400_000), ("1m 30s", 90_000), ("7d", 604_800_000)] {
            assert_eq!(parse(text).unwrap().as_millis(), millis, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_an_example() {
        for text in ["", "90", "-5s", "soon"] {
            assert!(parse(text).unwrap_err().contains("\"90s\""), "{text}");
        }
    }

    #[test]
    fn a_span_reads_back_as_it_is_written() {
        for text in ["90s", "250ms", "7d", "1h 1m 1s"] {
            let span = Span(parse(text).unwrap());
            assert_eq!(parse(&span.to_string()).unwrap(), span.0, "{span}");
        }
        assert_eq!(Span(Duration::from_secs(90)).to_string(), "1m 30s");
    }

    #[test]
    fn figures_stay_short() {
        let shown = [12, 3_140, 125_000, 3_720_000].map(|millis| show(Duration::from_millis(millis)));
        assert_eq!(shown, ["12ms", "3.1s", "2m05s", "1h02m"]);
    }
}
