//! The path to a value inside a file: `gitea.admin.password`, `users[0].name`; a dot that belongs to a name is `\.`.

use super::SopsError;
use serde_yaml::Value;
use std::fmt::{self, Display};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Name(String),
    Index(usize),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(pub Vec<Part>);

impl Key {
    pub fn parse(text: &str) -> Result<Self, SopsError> {
        let mut parts = Vec::new();
        for word in words(text) {
            let (name, indices) = word.split_once('[').map_or((word.as_str(), None), |(name, rest)| (name, Some(rest)));
            if name.is_empty() {
                return Err(SopsError::bad_key(text, "a name is empty"));
            }
            if name.contains(['"', '\'', ']']) {
                return Err(SopsError::bad_key(text, "a name with a quote or a bracket cannot be addressed by sops"));
            }
            parts.push(Part::Name(name.to_owned()));
            for index in indices.into_iter().flat_map(|rest| rest.split('[')) {
                let index = index.strip_suffix(']').and_then(|index| index.parse().ok());
                parts.push(Part::Index(index.ok_or_else(|| SopsError::bad_key(text, "an index is a number in brackets"))?));
            }
        }
        Ok(Self(parts))
    }

    /// As `sops set` wants it: `["gitea"]["admin"][0]`.
    pub fn as_index(&self) -> String {
        let part = |part: &Part| match part {
            Part::Name(name) => format!("[\"{name}\"]"),
            Part::Index(index) => format!("[{index}]"),
        };
        self.0.iter().map(part).collect()
    }

    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.0.iter().try_fold(value, |value, part| match part {
            Part::Name(name) => value.get(name.as_str()),
            Part::Index(index) => value.get(*index),
        })
    }

    /// The lists that this path goes through.
    pub fn lists(&self) -> Vec<Key> {
        let is_index = |at: &usize| matches!(self.0[*at], Part::Index(_));
        (0..self.0.len()).filter(is_index).map(|at| Key(self.0[..at].to_vec())).collect()
    }

    /// `value` with `new` at this place. Maps on the way are made; a scalar on the way is never replaced.
    pub fn place(&self, value: &mut Value, new: &Value) -> Result<(), String> {
        let mut slot = value;
        for (at, part) in self.0.iter().enumerate() {
            slot = step(slot, part).map_err(|found| format!("`{}` is {found}", Key(self.0[..at].to_vec())))?;
        }
        *slot = new.clone();
        Ok(())
    }

    #[must_use]
    pub fn child(&self, part: Part) -> Self {
        Self(self.0.iter().cloned().chain([part]).collect())
    }
}

fn step<'v>(value: &'v mut Value, part: &Part) -> Result<&'v mut Value, &'static str> {
    if value.is_null() {
        *value = if matches!(part, Part::Name(_)) { super::empty() } else { Value::Sequence(Vec::new()) };
    }
    match (value, part) {
        (Value::Mapping(map), Part::Name(name)) => Ok(map.entry(Value::String(name.clone())).or_insert(Value::Null)),
        (Value::Sequence(list), Part::Index(index)) if *index <= list.len() => {
            if *index == list.len() {
                list.push(Value::Null);
            }
            Ok(&mut list[*index])
        }
        (Value::Sequence(_), Part::Index(_)) => Err("a shorter list"),
        (Value::Mapping(_), _) => Err("a map, not a list"),
        (Value::Sequence(_), _) => Err("a list, not a map"),
        _ => Err("a single value, not a map"),
    }
}

/// Splits at dots that are not escaped.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let escaped = char == '\\' && chars.peek() == Some(&'.');
        let word = words.last_mut().expect("it begins with one");
        match char {
            _ if escaped => word.extend(chars.next()),
            '.' => words.push(String::new()),
            char => word.push(char),
        }
    }
    words
}

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Name(name) => write!(f, "{}{}", if at == 0 { "" } else { "." }, name.replace('.', "\\."))?,
                Part::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_back_as_it_was_written() {
        for text in ["a", "gitea.admin.password", "users[0].name", "a[1][2]", "annotations.checksum/a\\.b", "ü.ß"] {
            assert_eq!(Key::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn sops_gets_its_own_notation() {
        assert_eq!(Key::parse("a.b\\.c[3].d").unwrap().as_index(), r#"["a"]["b.c"][3]["d"]"#);
    }

    #[test]
    fn what_leads_nowhere_is_refused() {
        for text in ["", ".", "a..b", "a.", "a[x]", "a[", "a[-1]", "[0]", "a\"b", "a]"] {
            assert!(Key::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn placing_makes_maps_and_never_replaces_a_scalar_on_the_way() {
        let mut value: Value = serde_yaml::from_str("a: 1\nl: [x]\n").unwrap();
        let place = |value: &mut Value, path: &str| Key::parse(path).unwrap().place(value, &Value::from("new"));
        place(&mut value, "b.c").unwrap();
        place(&mut value, "l[1]").unwrap();
        assert_eq!(value, serde_yaml::from_str::<Value>("{a: 1, l: [x, new], b: {c: new}}").unwrap());
        assert_eq!(place(&mut value, "a.b").unwrap_err(), "`a` is a single value, not a map");
        assert_eq!(place(&mut value, "l[7]").unwrap_err(), "`l` is a shorter list");
        assert_eq!(place(&mut value, "b[0]").unwrap_err(), "`b` is a map, not a list");
        assert_eq!(place(&mut value, "l.x").unwrap_err(), "`l` is a list, not a map");
    }
}
