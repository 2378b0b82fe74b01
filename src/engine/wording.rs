//! Rhai's own messages, said in this project's words, once. Which place they belong to is `report`'s business.

use crate::engine::vocabulary::{Signature, Vocabulary, kind_of, path};
use crate::script::Pending;
use crate::script::value::{kind_named, nearest};
use rhai::{Dynamic, EvalAltResult, LexError, Map, ParseError, ParseErrorType};

/// A message in the house's voice, with one next step where there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub code: String,
    pub message: String,
    pub help: Option<String>,
}

impl Said {
    fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into(), help: None }
    }

    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn maybe(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Words that Rhai keeps for itself, which people take for names.
const RESERVED: &str = "`default`, `match`, `case`, `with`, `is`, `var`, `new`, `use`, `shared`, `sync`, `import` … are reserved, also as map \
                        keys: quote it (`#{ \"default\": … }`) or choose another name";

/// A syntax error.
pub fn of_syntax(error: &ParseError) -> Said {
    use ParseErrorType as Kind;
    let said = |message: String| Said::new("script::syntax", message);
    match error.err_type() {
        Kind::UnexpectedEOF => said("the script ends in the middle of something".into()).help("a `}`, `)` or `]` may be missing"),
        Kind::BadInput(LexError::UnterminatedString) => {
            said("a text is not closed".into()).help("a `\"` is missing; a text over several lines is written in back-ticks")
        }
        Kind::BadInput(LexError::ImproperSymbol(symbol, hint)) => said(format!("`{symbol}` is not written here")).maybe(hint_of(hint)),
        Kind::BadInput(LexError::UnexpectedInput(text)) => said(format!("`{text}` is not expected here")),
        Kind::Reserved(word) if word == "eval" => said("`eval` is switched off".into()).help("write the code itself, or a closure"),
        Kind::Reserved(word) => said(format!("`{word}` is reserved")).help(RESERVED),
        Kind::UnknownOperator(operator) => said(format!("there is no operator `{operator}`")),
        Kind::MissingToken(token, what) => said(format!("expected `{token}` {}", ticks(what))),
        Kind::FnDuplicatedDefinition(name, count) => said(format!("there are two functions `{name}` with {}", arguments(*count))),
        Kind::FnMissingParams(name) => {
            said(format!("the function `{name}` has no list of parameters")).help(format!("write `fn {name}() {{ … }}`"))
        }
        Kind::FnMissingBody(name) if !name.is_empty() => said(format!("the function `{name}` has no body")),
        Kind::DuplicatedProperty(name) => said(format!("the map has two keys `{name}`")),
        Kind::AssignmentToConstant(name) => said(format!("`{name}` is a constant")).help("`let` declares what may change"),
        Kind::WrongFnDefinition => {
            said("a function is declared inside another".into()).help("functions stand at the top level of a script")
        }
        Kind::WrongDocComment => said("a `///` comment must stand directly before a function".into()).help("use `//`"),
        other => said(lower(&ticks(&other.to_string()))),
    }
}

fn hint_of(hint: &str) -> Option<String> {
    (!hint.is_empty()).then(|| lower(&ticks(hint)).trim_end_matches(['.', '!']).to_owned())
}

/// Names in back-ticks, as everywhere else.
fn ticks(text: &str) -> String {
    text.replace('\'', "`")
}

/// An error that Rhai raised while a script ran.
pub fn of_runtime(error: &EvalAltResult, words: Option<&Vocabulary>) -> Said {
    use EvalAltResult as E;
    match error {
        E::ErrorParsing(kind, position) => of_syntax(&ParseError(Box::new(kind.clone()), *position)),
        E::ErrorVariableNotFound(name, _) => Said::new("script::unknown_variable", format!("there is no variable `{name}` here"))
            .help(format!("a function sees its parameters and its own variables; a constant of the script is `global::{name}`")),
        E::ErrorPropertyNotFound(name, _) if ["code", "help"].contains(&name.as_str()) => {
            Said::new("script::unknown_property", format!("the map has no key `{name}`"))
                .help("if it was caught: an error of the script itself, not of a verb, has only `message`")
        }
        E::ErrorPropertyNotFound(name, _) => Said::new("script::unknown_property", format!("the map has no key `{name}`"))
            .help(format!("`\"{name}\" in map` asks whether it is there")),
        E::ErrorDotExpr(text, _) => of_dot(text),
        E::ErrorIndexNotFound(index, _) => Said::new("script::bounds", format!("there is nothing at `{index}`"))
            .help("`in` asks whether it is there, `len()` how many there are"),
        E::ErrorFunctionNotFound(signature, _) => of_call(signature, words),
        E::ErrorModuleNotFound(name, _) => Said::new("script::unknown_namespace", format!("there is no namespace `{name}`"))
            .maybe(words.and_then(|words| nearest(name, words.namespaces())).map(|near| format!("did you mean `{near}`?"))),
        E::ErrorUnboundThis(_) => Said::new("script::failed", "`this` stands for nothing here"),
        E::ErrorMismatchDataType(expected, actual, _) | E::ErrorMismatchOutputType(expected, actual, _) => of_mismatch(expected, actual),
        E::ErrorIndexingType(kind, _) => Said::new("script::wrong_type", format!("{} cannot be indexed", kind_named(kind))),
        E::ErrorArrayBounds(size, index, _) => Said::new("script::bounds", format!("there is no element {index}: the array has {size}"))
            .help("the first is 0, and -1 the last; `len()` says how many there are"),
        E::ErrorStringBounds(size, index, _) => Said::new("script::bounds", format!("there is no character {index}: the text has {size}"))
            .help("the first is 0; `len()` says how many there are"),
        E::ErrorFor(_) => Said::new("script::wrong_type", "`for` cannot go through this value")
            .help("it goes through arrays, ranges and the `keys()` of a map"),
        E::ErrorDataRace(name, _) => Said::new("script::failed", format!("{name} is used while it is being changed").trim().to_owned()),
        E::ErrorAssignmentToConstant(name, _) => {
            Said::new("script::constant", format!("`{name}` is a constant")).help("`let` declares what may change")
        }
        E::ErrorNonPureMethodCallOnConstant(name, _) => {
            Said::new("script::constant", format!("`{name}` would change a constant")).help("copy it with `let` first")
        }
        E::ErrorTooManyOperations(_) => Said::new("script::runaway", "the script does not come to an end")
            .help("waiting is `kube::wait`, `retry` or `sleep`; a loop of its own never ends"),
        E::ErrorStackOverflow(_) => Said::new("script::too_deep", "functions call each other too deeply")
            .help("one of those named here calls itself, and nothing ends it: give it a case in which it does not"),
        E::ErrorDataTooLarge(kind, _) => Said::new("script::too_large", format!("{} grew too large", lower(kind)))
            .help("ask for less of it at a time, or let a program write it to a file"),
        E::ErrorTerminated(token, _) => match token.clone().try_cast::<Pending>() {
            Some(pending) => Said::new("pending", format!("this is known only after {}", pending.after)),
            None => Said::new("script::stopped", "the script was stopped"),
        },
        E::ErrorRuntime(thrown, _) => of_thrown(thrown),
        other => Said::new("script::failed", lower(&without_place(&other.to_string()))),
    }
}

/// What a script threw: a text, or a map with `code`, `message` and `help`.
fn of_thrown(thrown: &Dynamic) -> Said {
    if let Some(map) = thrown.read_lock::<Map>() {
        let text = |key: &str| map.get(key).filter(|value| value.is_string()).map(ToString::to_string);
        if let Some(message) = text("message") {
            return Said { code: text("code").unwrap_or_else(|| "script::thrown".into()), message, help: text("help") };
        }
    }
    let message = if thrown.is_unit() { "the script threw an error without saying why".into() } else { thrown.to_string() };
    Said::new("script::thrown", message)
}

fn of_mismatch(expected: &str, actual: &str) -> Said {
    Said::new(
        "script::wrong_type",
        match (expected, actual) {
            (expected, "") => format!("expected {}", kind_named(expected)),
            ("", actual) => format!("{} does not fit here", kind_named(actual)),
            (expected, actual) => format!("expected {}, got {}", kind_named(expected), kind_named(actual)),
        },
    )
}

/// `Unknown property 'x' - a getter is not registered for type 'i64'`.
fn of_dot(text: &str) -> Said {
    let mut quoted = text.split('\'').skip(1).step_by(2);
    match (quoted.next(), quoted.next()) {
        (Some(name), Some(kind)) if text.contains("property") => {
            Said::new("script::unknown_property", format!("{} has no property `{name}`", kind_named(kind))).maybe(of_nothing(kind))
        }
        _ => Said::new("script::failed", lower(text)),
    }
}

/// What to do about a property that was asked of nothing: most often of something that is not in the cluster.
fn of_nothing(kind: &str) -> Option<String> {
    ["()", "nothing"].contains(&kind).then(|| "what it is asked of is not there: look for it first, `if x != () { … }`".to_owned())
}

/// A call that fits no function: `upgrade (i64, map)` or `helm::upgrade (…)`.
fn of_call(signature: &str, words: Option<&Vocabulary>) -> Said {
    let (called, given) = signature.split_once(" (").unwrap_or((signature, ""));
    let (namespace, name) = called.rsplit_once("::").unwrap_or(("", called));
    let given = given.trim_end_matches(')').replace("&str | ImmutableString | String", "string");
    let given: Vec<_> = given.split(", ").filter(|kind| !kind.is_empty()).map(kind_of).collect();
    if let Some(property) = name.strip_prefix("get$").or_else(|| name.strip_prefix("set$")) {
        let kind = given.first().map_or("value", String::as_str);
        return Said::new("script::unknown_property", format!("{} has no property `{property}`", kind_named(kind))).maybe(of_nothing(kind));
    }
    let known = words.map_or(&[][..], |words| words.overloads(namespace, name));
    if known.is_empty() {
        return Said::new("script::unknown_function", format!("there is no function `{called}`"))
            .maybe(words.and_then(|words| words.suggest(namespace, name)).map(|near| format!("did you mean `{near}`?")));
    }
    let is_operator = !name.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let message = match given.as_slice() {
        [left, right] if is_operator => format!("`{name}` does not go with {} and {}", kind_named(left), kind_named(right)),
        [] => format!("`{}` takes arguments", path(namespace, name)),
        given => format!(
            "`{}` does not take {}",
            path(namespace, name),
            given.iter().map(|kind| kind_named(kind)).collect::<Vec<_>>().join(", ")
        ),
    };
    let fits = |one: &&Signature| one.params.first().map(|param| param.kind.as_str()) == given.first().map(String::as_str);
    let fitting: Vec<_> = known.iter().filter(fits).collect();
    let shown = if fitting.is_empty() { known.iter().collect() } else { fitting };
    let written = shown.into_iter().map(|one| format!("`{one}`")).take(3).collect::<Vec<_>>().join(" or ");
    Said::new("script::wrong_arguments", message).maybe((!is_operator).then(|| format!("it is called as {written}")))
}

/// `no arguments`, `1 argument`, `2 arguments`.
pub fn arguments(count: usize) -> String {
    match count {
        0 => "no arguments".into(),
        1 => "1 argument".into(),
        count => format!("{count} arguments"),
    }
}

/// Lower case, no full stop: the house's voice.
fn lower(text: &str) -> String {
    let text = text.trim().trim_end_matches('.');
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(second)) if !second.is_uppercase() => format!("{}{}", first.to_lowercase(), &text[first.len_utf8()..]),
        _ => text.to_owned(),
    }
}

fn without_place(text: &str) -> String {
    text.split(" (line ").next().unwrap_or(text).to_owned()
}
