//! Every function a script may call, by namespace and name, from the engine's own metadata. Nothing is listed by
//! hand; what `check` and `docs` make of it is theirs.

use crate::engine::{Sources, profile};
use crate::primitives;
use crate::script::Verb;
use crate::script::value::nearest;
use rhai::{FnNamespace, FuncInfo};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

/// One way to call a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Empty for what is known everywhere.
    pub namespace: String,
    pub name: String,
    pub params: Vec<Param>,
    pub returns: String,
    /// A verb's doc comment, without the slashes. Those of Rhai's own functions are not kept.
    pub doc: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Param {
    pub name: String,
    /// In a script writer's words: `string`, `map`, `any`.
    pub kind: String,
    /// It is changed in place.
    pub mutable: bool,
}

impl Signature {
    fn kinds(&self) -> Vec<String> {
        self.params.iter().map(|param| param.kind.clone()).collect()
    }

    /// `helm::upgrade`.
    pub fn path(&self) -> String {
        path(&self.namespace, &self.name)
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let params: Vec<_> = self.params.iter().map(|param| param.name.as_str()).collect();
        write!(f, "{}({})", self.path(), params.join(", "))
    }
}

/// `helm::upgrade`, or `expect` for what is known everywhere.
pub fn path(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}::{name}") }
}

pub struct Vocabulary {
    functions: BTreeMap<String, HashMap<String, Vec<Signature>>>,
    verbs: BTreeMap<String, BTreeMap<String, Verb>>,
}

impl Vocabulary {
    /// What this binary offers; it is read once.
    pub fn of_this_binary() -> &'static Self {
        static WORDS: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::read);
        &WORDS
    }

    fn read() -> Self {
        let engine = profile::engine(None, &Sources::new(".".into()));
        let mut functions: BTreeMap<String, HashMap<String, Vec<Signature>>> = BTreeMap::new();
        let mut verbs: BTreeMap<String, BTreeMap<String, Verb>> = BTreeMap::new();
        for primitive in primitives::all() {
            functions.entry(primitive.name.to_owned()).or_default();
            let own = primitive.verbs.into_iter().map(|verb| (verb.name.to_owned(), verb));
            verbs.insert(primitive.name.to_owned(), own.collect());
        }
        let names: BTreeSet<&str> = verbs.values().flat_map(BTreeMap::keys).map(String::as_str).collect();
        for (signature, everywhere) in engine.collect_fn_metadata(None, |info| Some(read(&info, &names)), true) {
            if !is_offered(&signature) {
                continue;
            }
            let mut add = |namespace: &str| {
                functions.entry(namespace.to_owned()).or_default().entry(signature.name.clone()).or_default().push(signature.clone());
            };
            add(&signature.namespace);
            if everywhere && !signature.namespace.is_empty() {
                add("");
            }
        }
        for overloads in functions.values_mut().flat_map(HashMap::values_mut) {
            overloads.sort_by_cached_key(|one| (one.params.len(), one.to_string(), one.kinds()));
        }
        Self { functions, verbs }
    }

    /// Every way to call this function.
    pub fn overloads(&self, namespace: &str, name: &str) -> &[Signature] {
        self.functions.get(namespace).and_then(|names| names.get(name)).map_or(&[], Vec::as_slice)
    }

    pub fn verb(&self, namespace: &str, name: &str) -> Option<&Verb> {
        self.verbs.get(namespace)?.get(name)
    }

    /// The verbs of all primitives, with their namespaces, sorted.
    pub fn verbs(&self) -> impl Iterator<Item = (&str, &Verb)> {
        self.verbs.iter().flat_map(|(namespace, verbs)| verbs.values().map(|verb| (namespace.as_str(), verb)))
    }

    pub fn has_namespace(&self, namespace: &str) -> bool {
        self.functions.contains_key(namespace)
    }

    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str).filter(|name| !name.is_empty())
    }

    /// The names in a namespace that a script can write.
    pub fn names(&self, namespace: &str) -> BTreeSet<&str> {
        self.functions.get(namespace).into_iter().flat_map(HashMap::keys).map(String::as_str).filter(|name| is_name(name)).collect()
    }

    /// What was probably meant by a function that does not exist: in its namespace first, then anywhere.
    pub fn suggest(&self, namespace: &str, name: &str) -> Option<String> {
        if let Some(near) = nearest(name, self.names(namespace)) {
            return Some(path(namespace, near));
        }
        self.namespaces().find(|other| !self.overloads(other, name).is_empty()).map(|other| path(other, name))
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_alphabetic() || first == '_') && !name.contains('$')
}

/// Rhai's own `sleep` and `exit` are refused when they run: see [`profile`].
fn is_offered(signature: &Signature) -> bool {
    let takes_a_number = signature.params.first().is_some_and(|param| ["int", "float"].contains(&param.kind.as_str()));
    !(signature.namespace.is_empty() && (signature.name == "exit" || (signature.name == "sleep" && takes_a_number)))
}

/// A function, and whether it is known without its namespace too (the methods of handles are).
fn read(info: &FuncInfo<'_>, verbs: &BTreeSet<&str>) -> (Signature, bool) {
    let function = info.metadata;
    let mut params: Vec<Param> = function.params_info.iter().map(|param| read_param(param)).collect();
    params.resize_with(function.num_params, || Param { name: "_".into(), kind: "any".into(), mutable: false });
    let signature = Signature {
        namespace: info.namespace.to_string(),
        name: function.name.to_string(),
        params,
        returns: kind_of(&function.return_type),
        doc: if verbs.contains(&*function.name) { plain(function.comments.iter().map(AsRef::as_ref)) } else { String::new() },
    };
    (signature, function.namespace == FnNamespace::Global)
}

fn read_param(text: &str) -> Param {
    let (name, kind) = text.split_once(':').unwrap_or((text, "Dynamic"));
    let mutable = kind.trim().starts_with("&mut ");
    Param { name: name.trim().trim_start_matches('_').to_owned(), kind: kind_of(kind), mutable }
}

/// A Rust type in a script writer's words.
pub fn kind_of(rust: &str) -> String {
    let bare = rust.trim().trim_start_matches("&mut ").trim_start_matches('&').trim();
    let bare = ["RhaiResultOf<", "Result<"]
        .iter()
        .find_map(|outer| bare.strip_prefix(outer))
        .map_or(bare, |inner| inner.split([',', '>']).next().unwrap_or(inner));
    let last = bare.rsplit("::").next().unwrap_or(bare).trim();
    let word = match last {
        "str" | "ImmutableString" | "String" | "string" => "string",
        "INT" | "i64" | "int" => "int",
        "FLOAT" | "f64" | "float" => "float",
        "bool" => "bool",
        "char" => "char",
        "Map" | "map" => "map",
        "Array" | "array" => "array",
        "FnPtr" | "Fn" => "closure",
        "()" | "" => "()",
        "Dynamic" | "?" | "_" => "any",
        other => return other.to_lowercase(),
    };
    word.to_owned()
}

/// Doc comments without their slashes.
pub fn plain<'c>(comments: impl IntoIterator<Item = &'c str>) -> String {
    let lines = comments.into_iter().flat_map(str::lines).map(|line| {
        let line = line.trim_start().trim_start_matches("//!").trim_start_matches("///");
        line.strip_prefix(' ').unwrap_or(line).trim_end()
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_engine_offers_is_known_by_name_and_arity() {
        let vocabulary = Vocabulary::of_this_binary();
        assert!(vocabulary.overloads("", "to_upper").iter().any(|one| one.params.len() == 1));
        assert!(vocabulary.overloads("", "eval").is_empty());
        assert!(vocabulary.has_namespace("helm"));
        assert_eq!(vocabulary.suggest("", "to_uper").as_deref(), Some("to_upper"));
    }

    #[test]
    fn types_are_said_in_a_script_writers_words() {
        let said = ["&str", "&mut Map", "RhaiResultOf<Dynamic>", "INT", "rhai::FnPtr", "()"].map(kind_of);
        assert_eq!(said, ["string", "map", "any", "int", "closure", "()"]);
    }

    #[test]
    fn doc_comments_lose_their_slashes_and_keep_their_lines() {
        assert_eq!(plain(["/// Upgrades it.\n///\n/// ```rhai", "/// x"]), "Upgrades it.\n\n```rhai\nx");
    }
}
