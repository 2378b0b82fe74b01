//! Whether two databases are equal, as a document: every difference is named with both values. Where it is kept is
//! up to who asked for it.

use super::measure::{BEHIND, CONTENT, Facts, Measure, ROWS, SEQUENCE, Subject};
use crate::database::Identity;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// True only where nothing differs.
    pub equal: bool,
    pub tables: usize,
    pub rows: u64,
    pub sequences: usize,
    /// Everything else that was compared: columns, constraints, owners …
    pub objects: usize,
    pub differences: Vec<Difference>,
    /// What is wrong on both sides alike.
    pub warnings: Vec<String>,
    /// Of everything that the target holds.
    pub digest: String,
    pub source: Identity,
    pub target: Identity,
    /// The figures of each of the target's tables.
    pub contents: BTreeMap<String, Content>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub rows: u64,
    pub digest: String,
}

/// One thing that is not the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    pub what: String,
    #[serde(rename = "where")]
    pub place: String,
    /// Its value at the source, none where it is not there.
    pub source: Option<String>,
    pub target: Option<String>,
}

impl Certificate {
    pub fn between(source: &Measure, target: &Measure) -> Self {
        let (differences, warnings) = (differences(&source.facts, &target.facts), behind_on_both(&source.facts, &target.facts));
        let count = |what: &str| target.facts.keys().filter(|subject| subject.what == what).count();
        let contents = contents(&target.facts);
        let (tables, sequences) = (contents.len(), count(SEQUENCE));
        Self {
            equal: differences.is_empty(),
            tables,
            rows: contents.values().map(|content| content.rows).sum(),
            sequences,
            objects: target.facts.len() - 2 * tables - sequences,
            differences,
            warnings,
            digest: digest(&target.facts),
            source: source.identity.clone(),
            target: target.identity.clone(),
            contents,
        }
    }
}

/// Everything that is on one side only or has another value, ordered by what and where it is.
pub fn differences(source: &Facts, target: &Facts) -> Vec<Difference> {
    let subjects: BTreeSet<&Subject> = source.keys().chain(target.keys()).collect();
    let differ = subjects.into_iter().filter(|subject| source.get(subject) != target.get(subject));
    differ.filter(|subject| !behind_at_source(subject, target)).map(|subject| difference(subject, source, target)).collect()
}

fn difference(subject: &Subject, source: &Facts, target: &Facts) -> Difference {
    let Subject { what, place } = subject.clone();
    Difference { what, place, source: source.get(subject).cloned(), target: target.get(subject).cloned() }
}

/// A sequence that lags behind at the source only is better off at the target, not worse.
fn behind_at_source(subject: &Subject, target: &Facts) -> bool {
    subject.what == BEHIND && !target.contains_key(subject)
}

fn behind_on_both(source: &Facts, target: &Facts) -> Vec<String> {
    let behind = target.iter().filter(|(subject, _)| subject.what == BEHIND && source.contains_key(subject));
    behind.map(|(subject, value)| format!("sequence {} is behind its column on both sides: {value}", subject.place)).collect()
}

fn contents(facts: &Facts) -> BTreeMap<String, Content> {
    let tables = facts.iter().filter(|(subject, _)| subject.what == ROWS);
    let content = |(subject, rows): (&Subject, &String)| {
        let digest = facts.get(&Subject { what: CONTENT.into(), place: subject.place.clone() }).cloned().unwrap_or_default();
        (subject.place.clone(), Content { rows: rows.parse().unwrap_or_default(), digest })
    };
    tables.map(content).collect()
}

fn digest(facts: &Facts) -> String {
    let mut hash = Sha256::new();
    for (subject, value) in facts {
        for part in [&subject.what, &subject.place, value] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
    }
    let whole = hash.finalize();
    format!("{:032x}", u128::from_be_bytes(std::array::from_fn(|index| whole[index])))
}

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |value: &Option<String>| value.as_deref().map_or_else(|| "nothing".into(), short);
        write!(f, "{} {}: {} at the source, {} at the target", self.what, self.place, side(&self.source), side(&self.target))
    }
}

fn short(value: &str) -> String {
    const LONGEST: usize = 120;
    let flat = value.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= LONGEST { format!("`{flat}`") } else { format!("`{}…`", flat.chars().take(LONGEST).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measure(facts: &[(&str, &str, &str)]) -> Measure {
        let identity = Identity { system_identifier: "1".into(), database: "d".into(), oid: 1 };
        let fact = |(what, place, value): &(&str, &str, &str)| (Subject { what: (*what).into(), place: (*place).into() }, (*value).into());
        Measure { identity, facts: facts.iter().map(fact).collect() }
    }

    const SIDE: [(&str, &str, &str); 4] = [
        ("rows", "public.t", "3"),
        ("content", "public.t", "1/2"),
        ("sequence", "public.s", "3, called"),
        ("column", "public.t.id", "1. bigint"),
    ];

    #[test]
    fn equal_sides_give_an_equal_certificate_with_figures() {
        let certificate = Certificate::between(&measure(&SIDE), &measure(&SIDE));
        assert!(certificate.equal && certificate.differences.is_empty());
        assert_eq!((certificate.tables, certificate.rows, certificate.sequences, certificate.objects), (1, 3, 1, 1));
        assert_eq!(certificate.contents["public.t"].digest, "1/2");
    }

    #[test]
    fn a_changed_missing_or_surplus_fact_is_named_with_both_values() {
        for (index, (what, place, value)) in SIDE.iter().enumerate() {
            let mut other = SIDE;
            other[index].2 = "changed";
            let certificate = Certificate::between(&measure(&SIDE), &measure(&other));
            let expected =
                Difference { what: (*what).into(), place: (*place).into(), source: Some((*value).into()), target: Some("changed".into()) };
            assert_eq!(certificate.differences, [expected]);
            assert!(!certificate.equal);
            let mut fewer = SIDE.to_vec();
            fewer.remove(index);
            assert_eq!(Certificate::between(&measure(&SIDE), &measure(&fewer)).differences[0].target, None);
            assert_eq!(Certificate::between(&measure(&fewer), &measure(&SIDE)).differences[0].source, None);
        }
    }

    #[test]
    fn a_sequence_behind_its_column_is_a_difference_at_the_target_and_a_warning_on_both() {
        let behind = [SIDE.as_slice(), &[(BEHIND, "public.s", "max(id) is 9")]].concat();
        let target_only = Certificate::between(&measure(&SIDE), &measure(&behind));
        assert_eq!(target_only.differences[0].what, BEHIND);
        let both = Certificate::between(&measure(&behind), &measure(&behind));
        assert!(both.equal && both.warnings[0].contains("public.s"));
        assert!(Certificate::between(&measure(&behind), &measure(&SIDE)).equal);
    }

    #[test]
    fn the_digest_depends_on_every_fact() {
        let digest = |facts: &[(&str, &str, &str)]| Certificate::between(&measure(facts), &measure(facts)).digest;
        assert_ne!(digest(&[("a", "bc", "d")]), digest(&[("ab", "c", "d")]));
        assert_eq!(digest(&SIDE).len(), 32);
    }

    #[test]
    fn a_difference_is_said_in_one_line() {
        let difference = Difference { what: "rows".into(), place: "public.t".into(), source: Some("3".into()), target: None };
        assert_eq!(difference.to_string(), "rows public.t: `3` at the source, nothing at the target");
    }
}
