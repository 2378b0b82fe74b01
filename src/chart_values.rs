//! Finds keys of a values file that its chart does not read: helm ignores them in silence, so a typo there is
//! otherwise never noticed. It compares texts only; where charts lie and who is told is the callers' business.

use crate::chart::Chart;
use saphyr::{LoadableYamlNode, MarkedYaml};
use serde_yaml::Value;

/// A key that no chart reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The whole way to it: `pgpool.pgpoolPassword`.
    pub key: String,
    pub line: usize,
    pub column: usize,
    /// What was probably meant.
    pub meant: Option<String>,
}

impl Unread {
    /// In words, without its place.
    pub fn message(&self, chart: &str) -> String {
        let meant = self.meant.as_ref().map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        format!("the chart `{chart}` does not read `{}`{meant}", self.key)
    }
}

/// The keys of `text` (YAML or JSON, encrypted or not) that neither `chart` nor its subcharts read, in their order.
/// What is not YAML has none: saying so is left to whoever uses the values.
pub fn unread(chart: &Chart, text: &str) -> Vec<Unread> {
    let documents = MarkedYaml::load_from_str(text).unwrap_or_default();
    let mut found = Vec::new();
    if let Some(root) = documents.first() {
        Scope { chart, prefix: String::new() }.check(root, &mut found);
    }
    found
}

/// The values of one chart, which lie below `prefix` in the file.
struct Scope<'c> {
    chart: &'c Chart,
    prefix: String,
}

impl Scope<'_> {
    fn check(&self, values: &MarkedYaml, found: &mut Vec<Unread>) {
        self.map(values, &[], &[&self.chart.values], found);
    }

    /// One level of the values beside the defaults of the same level.
    fn map(&self, values: &MarkedYaml, path: &[&str], defaults: &[&Value], found: &mut Vec<Unread>) {
        for (key, value) in values.data.as_mapping().into_iter().flatten() {
            let Some(name) = key.data.as_str() else { continue };
            if path.is_empty() && (name == "tags" || (name == "sops" && self.prefix.is_empty())) {
                continue;
            }
            if let Some((_, chart)) = self.chart.subcharts.iter().find(|(known, _)| path.is_empty() && known == name) {
                self.subchart(name, chart, value, found);
                continue;
            }
            let globals = self.globals(path, name);
            let below: Vec<&Value> = defaults.iter().filter_map(|level| level.get(name)).chain(globals).collect();
            let path: Vec<&str> = path.iter().copied().chain([name]).collect();
            if below.is_empty() {
                if !self.reads(&path) {
                    found.push(self.unread(&path, key, defaults));
                }
            } else if !below.iter().any(|level| free_form(level)) && !self.takes_whole(&path) {
                self.map(value, &path, &below, found);
            }
        }
    }

    /// A subchart's values: its own defaults, and what its parent sets for it.
    fn subchart(&self, name: &str, chart: &Chart, values: &MarkedYaml, found: &mut Vec<Unread>) {
        let mut defaults = vec![&chart.values];
        defaults.extend(self.chart.values.get(name));
        let inner = Scope { chart, prefix: format!("{}{name}.", self.prefix) };
        let conditions = self.chart.conditions.iter().filter_map(|condition| condition.strip_prefix(&format!("{name}.")));
        let switches = conditions.map(|key| (Value::from(key), Value::Bool(true))).collect();
        let switches = Value::Mapping(switches);
        defaults.push(&switches);
        inner.map(values, &[], &defaults, found);
    }

    /// `global` of every subchart: each of them sees the same.
    fn globals(&self, path: &[&str], name: &str) -> Vec<&Value> {
        let ours = path.is_empty() && name == "global";
        let mut globals = Vec::new();
        if ours {
            collect_globals(self.chart, &mut globals);
        }
        globals
    }

    /// Whether a template names the key although it has no default.
    fn reads(&self, path: &[&str]) -> bool {
        let texts = &self.chart.templates;
        let dotted = path.join(".");
        let condition = |known: &String| *known == dotted || known.starts_with(&format!("{dotted}."));
        self.chart.conditions.iter().any(condition) || mentions(texts, path).next().is_some()
    }

    /// Whether a template hands the map on as it is (`toYaml .Values.resources`): then its keys are not the chart's.
    fn takes_whole(&self, path: &[&str]) -> bool {
        let texts = &self.chart.templates;
        mentions(texts, path).any(|(from, to)| handed_on(texts, from, to))
    }

    fn unread(&self, path: &[&str], key: &MarkedYaml, siblings: &[&Value]) -> Unread {
        let name = path.last().copied().unwrap_or_default();
        let beside = |found: Vec<&str>| -> Vec<String> {
            let above = &path[..path.len() - 1];
            found.into_iter().map(|key| above.iter().copied().chain([key]).collect::<Vec<_>>().join(".")).collect()
        };
        let guesses = [beside(near(name, siblings)), elsewhere(&self.chart.values, name), beside(akin(name, siblings))];
        let meant = guesses.into_iter().find(|meant| (1..=MOST_GUESSES).contains(&meant.len()));
        let meant = meant.map(|meant| meant.iter().map(|key| format!("{}{key}", self.prefix)).collect::<Vec<_>>().join("` or `"));
        Unread { key: format!("{}{}", self.prefix, path.join(".")), line: key.span.start.line(), column: key.span.start.col() + 1, meant }
    }
}

/// More than these would be no help.
const MOST_GUESSES: usize = 3;

fn collect_globals<'c>(chart: &'c Chart, globals: &mut Vec<&'c Value>) {
    for (key, subchart) in &chart.subcharts {
        globals.extend(subchart.values.get("global"));
        globals.extend(chart.values.get(key).and_then(|values| values.get("global")));
        collect_globals(subchart, globals);
    }
}

/// A default that says nothing about its keys: an empty map, or no map at all.
fn free_form(default: &Value) -> bool {
    default.as_mapping().is_none_or(serde_yaml::Mapping::is_empty)
}

/// Where templates name a key: after `.Values` at the top; below that after its parent, or after a variable that may
/// hold it (`$node.persistence`).
fn mentions<'t>(text: &'t str, path: &[&'t str]) -> impl Iterator<Item = (usize, usize)> + 't {
    let word = |next: char| next.is_alphanumeric() || next == '_';
    let key = path.last().copied().unwrap_or_default();
    let parent = path.len().checked_sub(2).map_or("Values", |place| path[place]);
    let top = path.len() < 2;
    text.match_indices(key).map(move |(at, _)| (at, at + key.len())).filter(move |(from, to)| {
        let Some(before) = text[..*from].strip_suffix('.') else { return false };
        let holder = before.trim_end_matches(word);
        let after_parent = before.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'));
        !text[*to..].starts_with(word) && (after_parent || (!top && holder.ends_with('$') && holder.len() < before.len()))
    })
}

const HANDS_ON: [&str; 6] = ["toYaml", "toJson", "omit", "tplvalues.render", "range ", "merge"];

/// Whether the line of a mention, or the one after it, hands the value on.
fn handed_on(text: &str, from: usize, to: usize) -> bool {
    let start = text[..from].rfind('\n').map_or(0, |end| end + 1);
    let lines: usize = text[to..].split_inclusive('\n').take(2).map(str::len).sum();
    let around = &text[start..to + lines];
    !text[to..].starts_with('.') && HANDS_ON.iter().any(|word| around.contains(word))
}

fn keys<'d>(siblings: &[&'d Value]) -> impl Iterator<Item = &'d str> {
    siblings.iter().flat_map(|level| level.as_mapping().into_iter().flatten()).filter_map(|(key, _)| key.as_str())
}

/// The sibling most like `name`, if one is near.
fn near<'d>(name: &str, siblings: &[&'d Value]) -> Vec<&'d str> {
    let scored = keys(siblings).map(|known| (strsim::jaro_winkler(&known.to_lowercase(), &name.to_lowercase()), known));
    scored.filter(|(score, _)| *score > 0.87).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known).into_iter().collect()
}

/// The siblings that end in the same word: `adminPassword` for `pgpoolPassword`.
fn akin<'d>(name: &str, siblings: &[&'d Value]) -> Vec<&'d str> {
    let word = |key: &str| key.rfind(char::is_uppercase).map(|at| key[at..].to_owned());
    let Some(last) = word(name) else { return Vec::new() };
    let mut found: Vec<&str> = keys(siblings).filter(|key| word(key).as_ref() == Some(&last)).collect();
    found.dedup();
    found
}

/// The other places at which the defaults have a key of this name; the shallowest only.
fn elsewhere(defaults: &Value, name: &str) -> Vec<String> {
    let mut level: Vec<(String, &Value)> = vec![(String::new(), defaults)];
    while !level.is_empty() {
        let below = level.iter().flat_map(|(path, value)| {
            let entries = value.as_mapping().into_iter().flatten();
            entries.filter_map(move |(key, value)| Some((format!("{path}{}.", key.as_str()?), value)))
        });
        let below: Vec<(String, &Value)> = below.collect();
        let hits = below.iter().filter(|(path, _)| path.trim_end_matches('.').rsplit('.').next() == Some(name));
        let hits: Vec<String> = hits.map(|(path, _)| path.trim_end_matches('.').to_owned()).collect();
        if !hits.is_empty() {
            return hits;
        }
        level = below;
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn yaml(text: &str) -> Value {
        serde_yaml::from_str(text).unwrap()
    }

    fn chart() -> Chart {
        let db = Chart {
            name: "db".into(),
            values: yaml("size: 1Gi\nglobal: {storageClass: ''}\nprimary: {persistence: {size: 8Gi}}"),
            ..Chart::default()
        };
        Chart {
            name: "app".into(),
            values: yaml(
                "replicas: 1\npgpool: {adminPassword: '', srCheckPassword: ''}\nlabels: {}\nprobe: {enabled: true, tcpSocket: {port: 1}}\ndb: {on: true}\nprimary: {persistence: {size: 1Gi}}",
            ),
            subcharts: vec![("db".into(), db)],
            conditions: vec!["db.enabled".into()],
            templates: "{{ toYaml (omit .Values.probe \"enabled\") }}\n{{ .Values.extra.name }}".into(),
            ..Chart::default()
        }
    }

    fn warned(text: &str) -> Vec<String> {
        unread(&chart(), text).iter().map(|unread| format!("{}:{} {}", unread.line, unread.column, unread.message("app"))).collect()
    }

    #[test]
    fn a_typo_is_named_at_its_place_with_what_was_meant() {
        assert_eq!(
            warned("a: &x 1\n\nreplica: 3"),
            ["1:1 the chart `app` does not read `a`", "3:1 the chart `app` does not read `replica`; did you mean `replicas`?"]
        );
        assert_eq!(
            warned("pgpool:\n  adminPasword: x"),
            ["2:3 the chart `app` does not read `pgpool.adminPasword`; did you mean `pgpool.adminPassword`?"]
        );
    }

    #[test]
    fn a_key_that_lies_elsewhere_is_pointed_to() {
        assert_eq!(
            warned("persistence: {size: 2Gi}"),
            ["1:1 the chart `app` does not read `persistence`; did you mean `primary.persistence`?"]
        );
    }

    #[test]
    fn where_several_may_be_meant_all_are_named() {
        assert_eq!(
            warned("pgpool: {pgpoolPassword: x}"),
            [
                "1:10 the chart `app` does not read `pgpool.pgpoolPassword`; did you mean `pgpool.adminPassword` or `pgpool.srCheckPassword`?"
            ]
        );
    }

    #[test]
    fn what_a_chart_or_a_subchart_reads_is_not_warned_about() {
        for text in [
            "labels: {any: thing}",
            "probe: {httpGet: {path: /}}",
            "extra: {name: x}",
            "db: {enabled: true, on: false, size: 2Gi}",
            "tags: {x: true}",
        ] {
            assert_eq!(warned(text), [""; 0], "{text}");
        }
        assert_eq!(warned("sops: {mac: x}\nglobal: {storageClass: fast}"), [""; 0]);
    }

    #[test]
    fn a_subcharts_keys_and_the_global_ones_are_checked_too() {
        assert_eq!(warned("db: {sizes: 2Gi}"), ["1:6 the chart `app` does not read `db.sizes`; did you mean `db.size`?"]);
        assert_eq!(
            warned("global: {storageclass: fast}"),
            ["1:10 the chart `app` does not read `global.storageclass`; did you mean `global.storageClass`?"]
        );
    }

    #[test]
    fn what_is_no_map_of_values_is_left_to_others() {
        for text in ["", "- a", "a: [", "ü: {"] {
            assert_eq!(warned(text), [""; 0], "{text}");
        }
    }
}
