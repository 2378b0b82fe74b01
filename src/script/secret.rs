//! Secrets as scripts hold them: they print as `[secret]`, compare with each other, go into verbs, and never become
//! part of a text. Where they come from is the primitives' business.

use crate::script::{Fault, Pending, RhaiResultOf, host_of, swallowed, value};
use crate::secret::{Input, Secret, Text};
use miette::Diagnostic;
use rhai::{Dynamic, Engine, NativeCallContext};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// The name scripts and Rhai's own messages have for it.
pub const NAME: &str = "secret";

const SHOWN: &str = "[secret]";

#[derive(Clone, Debug, thiserror::Error, Diagnostic)]
enum SecretUse {
    #[error("the secret `{origin}` cannot become part of a text")]
    #[diagnostic(code(secret::not_text), help("`secret::format(\"redis://:{{}}@{{}}/0\", password, host)` makes a secret of it"))]
    NotText { origin: String },
    #[error("the secret `{origin}` is compared with something that is not a secret")]
    #[diagnostic(code(secret::not_comparable), help("`.has(text)` says whether a text is in it"))]
    NotComparable { origin: String },
}

fn not_text(secret: &Secret) -> Fault {
    SecretUse::NotText { origin: secret.origin().to_owned() }.into()
}

fn not_comparable(secret: &Secret) -> RhaiResultOf<bool> {
    Err(Fault::from(SecretUse::NotComparable { origin: secret.origin().to_owned() }).raise())
}

/// Makes the type known, with everything a script may do with it.
pub fn register(engine: &mut Engine) {
    engine.register_type_with_name::<Secret>(NAME);
    for function in ["print", "debug", "to_debug"] {
        engine.register_fn(function, |_: &mut Secret| SHOWN);
    }
    engine.register_fn("to_string", |secret: &mut Secret| swallowed::keep::<String>(Dynamic::from(not_text(secret))));
    engine.register_fn("has", |ctx: NativeCallContext, secret: &mut Secret, text: &str| has(&ctx, secret, text));
    engine.register_fn("has", |ctx: NativeCallContext, secret: &mut Secret, part: Secret| has(&ctx, secret, reveal(&ctx, &part)?));
    // Whether there is one says nothing of it.
    engine.register_fn("is_empty", |ctx: NativeCallContext, secret: &mut Secret| reveal(&ctx, secret).map(str::is_empty));
    register_texts(engine);
    register_comparisons(engine);
}

fn register_texts(engine: &mut Engine) {
    for operator in ["+", "+="] {
        engine.register_fn(operator, |left: &mut Secret, _: Dynamic| -> RhaiResultOf<Dynamic> { Err(not_text(left).raise()) });
        engine.register_fn(operator, |_: &mut Dynamic, right: Secret| -> RhaiResultOf<Dynamic> { Err(not_text(&right).raise()) });
        engine.register_fn(operator, |_: &mut rhai::ImmutableString, right: Secret| -> RhaiResultOf<Dynamic> {
            Err(not_text(&right).raise())
        });
        engine.register_fn(operator, |_: &mut Pending, right: Secret| -> RhaiResultOf<Dynamic> { Err(not_text(&right).raise()) });
        engine.register_fn(operator, |left: &mut Secret, _: Pending| -> RhaiResultOf<Dynamic> { Err(not_text(left).raise()) });
        engine.register_fn(operator, |left: &mut Secret, _: Secret| -> RhaiResultOf<Dynamic> { Err(not_text(left).raise()) });
    }
}

fn register_comparisons(engine: &mut Engine) {
    engine.register_fn("==", |ctx: NativeCallContext, left: Secret, right: Secret| equal(&ctx, &left, &right));
    engine.register_fn("!=", |ctx: NativeCallContext, left: Secret, right: Secret| equal(&ctx, &left, &right).map(|equal| !equal));
    for operator in ["==", "!="] {
        engine.register_fn(operator, |left: Secret, _: Dynamic| not_comparable(&left));
        engine.register_fn(operator, |_: Dynamic, right: Secret| not_comparable(&right));
        engine.register_fn(operator, |_: Secret, right: Pending| -> RhaiResultOf<bool> { Err(right.raise()) });
        engine.register_fn(operator, |left: Pending, _: Secret| -> RhaiResultOf<bool> { Err(left.raise()) });
    }
    // "Is there one at all" is a question about nothing, and shows nothing.
    engine.register_fn("==", |_: Secret, (): ()| false);
    engine.register_fn("==", |(): (), _: Secret| false);
    engine.register_fn("!=", |_: Secret, (): ()| true);
    engine.register_fn("!=", |(): (), _: Secret| true);
}

fn reveal<'s>(ctx: &NativeCallContext, secret: &'s Secret) -> RhaiResultOf<&'s str> {
    host_of(ctx).reveal(secret).map_err(|error| Fault::from(error).raise())
}

fn equal(ctx: &NativeCallContext, left: &Secret, right: &Secret) -> RhaiResultOf<bool> {
    Ok(reveal(ctx, left)? == reveal(ctx, right)?)
}

fn has(ctx: &NativeCallContext, secret: &Secret, text: &str) -> RhaiResultOf<bool> {
    Ok(reveal(ctx, secret)?.contains(text))
}

/// An option that is a secret. A text is refused: a password in a script is no secret any more.
impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Dynamic::deserialize(deserializer)?;
        let found = value::kind(&value);
        let refuse = || D::Error::custom(format!("a secret is expected, such as sops::secret(…), not {found}"));
        value.clone().try_cast::<Secret>().ok_or_else(refuse)
    }
}

/// An option that is a text or a secret.
impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(&Dynamic::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// An option that is a program's input.
impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Dynamic::deserialize(deserializer)?;
        let input = match value.read_lock::<rhai::Array>() {
            Some(lines) => lines.iter().map(text).collect::<Result<_, _>>().map(Input::Lines),
            None => text(&value).map(Input::Whole),
        };
        input.map_err(D::Error::custom)
    }
}

fn text(value: &Dynamic) -> Result<Text, String> {
    if let Some(secret) = value.read_lock::<Secret>() {
        return Ok(Text::Secret(secret.clone()));
    }
    let text = value.read_lock::<rhai::ImmutableString>().map(|text| Text::Plain(text.to_string()));
    text.ok_or_else(|| format!("a text or a secret is expected, not {}", value::kind(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(script: &str) -> RhaiResultOf<Dynamic> {
        let mut engine = Engine::new();
        register(&mut engine);
        engine.on_progress(|_| swallowed::take());
        engine.register_fn("pw", || Secret::known("sops:a#b", "hunter22".into()));
        let _ = swallowed::take();
        let result = engine.eval(script);
        swallowed::raise().and(result)
    }

    fn code(script: &str) -> String {
        let error = eval(script).unwrap_err();
        Fault::find(&error).map_or_else(|| error.to_string(), |fault| fault.code())
    }

    #[test]
    fn a_secret_never_becomes_part_of_a_text() {
        for script in
            ["\"a\" + pw()", "pw() + \"a\"", "pw() + pw()", "let t = \"a\"; t += pw(); t", "`x${pw()}`", "pw().to_string()", "1 + pw()"]
        {
            assert_eq!(code(script), "secret::not_text", "{script}");
        }
    }

    #[test]
    fn printed_alone_or_inside_a_list_it_is_masked() {
        assert_eq!(eval("[pw(), #{a: pw()}].to_string()").unwrap().to_string(), "[[secret], #{\"a\": [secret]}]");
    }

    #[test]
    fn it_compares_with_nothing_but_not_with_a_text() {
        assert!(eval("pw() != () && () != pw() && !(pw() == ())").unwrap().as_bool().unwrap());
        for script in ["pw() == \"hunter22\"", "\"hunter22\" != pw()", "1 == pw()"] {
            assert_eq!(code(script), "secret::not_comparable", "{script}");
        }
    }

    #[test]
    fn an_input_is_a_text_a_secret_or_lines_of_both() {
        #[derive(Debug, Deserialize)]
        struct Options {
            stdin: Input,
        }
        let read = |script: &str| value::options::<Options>(eval(script).unwrap().cast::<rhai::Map>()).map(|options| options.stdin);
        assert!(matches!(read("#{stdin: \"x\"}"), Ok(Input::Whole(Text::Plain(_)))));
        assert!(matches!(read("#{stdin: pw()}"), Ok(Input::Whole(Text::Secret(_)))));
        assert!(matches!(read("#{stdin: [pw(), \"x\"]}"), Ok(Input::Lines(lines)) if lines.len() == 2));
        assert_eq!(read("#{stdin: [1]}").unwrap_err().message(), "option `stdin`: a text or a secret is expected, not a number");
    }

    #[test]
    fn an_option_takes_a_secret_and_refuses_a_text() {
        #[derive(Debug, Deserialize)]
        struct Options {
            password: Option<Secret>,
            stdin: Option<Text>,
        }
        let map = |script: &str| eval(script).unwrap().cast::<rhai::Map>();
        let options = value::options::<Options>(map("#{password: pw()}")).unwrap();
        assert_eq!(options.password.unwrap().reveal().unwrap(), "hunter22");
        assert!(value::options::<Options>(map("#{}")).unwrap().password.is_none());
        let stdin = |script: &str| value::options::<Options>(map(script)).map(|options| options.stdin.unwrap());
        assert!(matches!(stdin("#{stdin: pw()}").unwrap(), Text::Secret(_)));
        assert!(matches!(stdin("#{stdin: \"x\"}").unwrap(), Text::Plain(text) if text == "x"));
        assert_eq!(stdin("#{stdin: 1}").unwrap_err().message(), "option `stdin`: a text or a secret is expected, not a number");
        let message = value::options::<Options>(map("#{password: \"x\"}")).unwrap_err().message();
        assert_eq!(message, "option `password`: a secret is expected, such as sops::secret(…), not a text");
    }
}
