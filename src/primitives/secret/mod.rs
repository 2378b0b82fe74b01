//! What a script may say about secrets: it makes new ones out of others and never sees any.

mod driver;

use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind_declaring, bind_value, host_of, secret, value};
use crate::secret::Secret;
use driver::{Part, SecretTextError};
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, ImmutableString};

#[export_module]
mod verbs {
    /// Makes a secret out of a template: every `{}` stands for one of the values that follow, up to six or a list.
    /// The values are secrets, texts or numbers; nothing is read before a verb uses the result.
    ///
    /// ```rhai
    /// let password = sops::secret("helm/valkey-values.sops.yaml", "auth.password");
    /// let url = secret::format("redis://:{}@{}:6379/0", password, "valkey-primary.platform.svc.cluster.local");
    /// ```
    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_list(ctx: NativeCallContext, template: &str, values: Array) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &values)
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_1(ctx: NativeCallContext, template: &str, one: Dynamic) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one])
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_2(ctx: NativeCallContext, template: &str, one: Dynamic, two: Dynamic) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one, two])
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_3(ctx: NativeCallContext, template: &str, one: Dynamic, two: Dynamic, three: Dynamic) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one, two, three])
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_4(
        ctx: NativeCallContext,
        template: &str,
        one: Dynamic,
        two: Dynamic,
        three: Dynamic,
        four: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one, two, three, four])
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    pub fn format_5(
        ctx: NativeCallContext,
        template: &str,
        one: Dynamic,
        two: Dynamic,
        three: Dynamic,
        four: Dynamic,
        five: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one, two, three, four, five])
    }

    #[rhai_fn(name = "format", volatile, return_raw)]
    #[expect(clippy::too_many_arguments, reason = "one for each value of the template")]
    pub fn format_6(
        ctx: NativeCallContext,
        template: &str,
        one: Dynamic,
        two: Dynamic,
        three: Dynamic,
        four: Dynamic,
        five: Dynamic,
        six: Dynamic,
    ) -> RhaiResultOf<Dynamic> {
        compose(&ctx, template, &[one, two, three, four, five, six])
    }

    /// Joins secrets and texts into one secret.
    ///
    /// ```rhai
    /// let passwords = secret::join([sops::secret("helm/pg.sops.yaml", "a.password"), sops::secret("helm/pg.sops.yaml", "b.password")], ";");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn join(ctx: NativeCallContext, list: Array, separator: &str) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |_| {
            let secret = driver::join(&host_of(&ctx), parts(&list)?, separator);
            Ok(Dynamic::from(secret))
        })
    }

    /// Splits a secret at a separator into a list of secrets. It is read for that, so it happens inside a step.
    ///
    /// ```rhai
    /// let passwords = secret::split(sops::secret("helm/postgresql-ha-values.sops.yaml", "pgpool.customUsers.passwords"), ";");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn split(ctx: NativeCallContext, whole: Dynamic, separator: &str) -> RhaiResultOf<Dynamic> {
        bind_value(&ctx, |host| {
            let parts = driver::split(host, &part(&whole)?, separator)?;
            Ok(parts.into_iter().map(Dynamic::from).collect::<Array>().into())
        })
    }
}

fn compose(ctx: &NativeCallContext, template: &str, values: &[Dynamic]) -> RhaiResultOf<Dynamic> {
    bind_declaring(ctx, |_| {
        let secret = driver::format(&host_of(ctx), template, parts(values)?)?;
        Ok(Dynamic::from(secret))
    })
}

fn parts(values: &[Dynamic]) -> Result<Vec<Part>, Fault> {
    values.iter().map(part).collect()
}

fn part(given: &Dynamic) -> Result<Part, Fault> {
    if let Some(pending) = value::pending_in(given) {
        return Err(pending.into());
    }
    if let Some(secret) = given.read_lock::<Secret>() {
        return Ok(Part::Secret(secret.clone()));
    }
    let text = given.read_lock::<ImmutableString>().map(|text| text.to_string());
    let text = text.or_else(|| given.as_int().ok().map(|number| number.to_string()));
    text.map(Part::Text).ok_or_else(|| SecretTextError::BadPart { kind: value::kind(given) }.into())
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "secret",
        module: exported_module!(verbs),
        verbs: vec![Verb::read("format").while_declaring(), Verb::read("join").while_declaring(), Verb::read("split")],
        types: secret::register,
    }
}

#[cfg(test)]
mod tests {
    use crate::primitives::trial::Trial;
    use crate::secret::Secret;

    fn reveal(script: &str) -> String {
        let trial = Trial::live();
        let secret = trial.eval(script).unwrap().cast::<Secret>();
        trial.host.reveal(&secret).unwrap().to_owned()
    }

    #[test]
    fn a_secret_is_made_of_others() {
        assert_eq!(
            reveal("secret::format(\"redis://:{}@{}:{}/0\", secret::format(\"{}\", \"hunter22\"), \"host\", 6379)"),
            "redis://:hunter22@host:6379/0"
        );
        assert_eq!(reveal("secret::format(\"{}-{}-{}-{}-{}-{}\", 1, 2, 3, 4, 5, 6)"), "1-2-3-4-5-6");
        assert_eq!(reveal("secret::format(\"{}{}\", [\"a\", \"b\"])"), "ab");
        assert_eq!(reveal("secret::join([\"a\", secret::format(\"{}\", \"b\")], \";\")"), "a;b");
        assert_eq!(reveal("secret::join([], \";\")"), "");
    }

    #[test]
    fn whether_there_is_one_may_be_asked() {
        let trial = Trial::live();
        assert_eq!(trial.text("[secret::join([], \";\").is_empty(), secret::format(\"{}\", \"x\").is_empty()]"), "[true, false]");
    }

    #[test]
    fn what_was_joined_is_split_again() {
        let trial = Trial::live();
        trial.run("let a = secret::format(\"{}\", \"abcd\"); let b = secret::format(\"{}\", \"efgh\"); let parts = secret::split(secret::join([a, b], \";\"), \";\"); if parts.len() != 2 || parts[0] != a || parts[1] != b { throw \"wrong\" }");
        assert_eq!(trial.text("secret::split(\"\", \";\").len()"), "0");
        assert_eq!(trial.host.redactor.redact("efgh"), "[secret]");
        assert_eq!(trial.code("secret::split(\"abc\", \"\")"), "secret::no_separator");
    }

    #[test]
    fn comparing_and_looking_inside_show_nothing() {
        let trial = Trial::live();
        trial.run("let s = secret::format(\"{};{}\", \"abcd\", \"efgh\"); if !s.has(\"efgh\") || s.has(\"x\") || s != secret::join([\"abcd\", \"efgh\"], \";\") { throw \"wrong\" } print(s)");
        assert_eq!(trial.said(), ["note [secret]"]);
        assert_eq!(trial.host.redactor.redact("abcd;efgh"), "[secret]");
    }

    #[test]
    fn while_declaring_it_is_allowed() {
        let trial = Trial::live();
        trial.host.set_declaring(true);
        trial.run("secret::format(\"{}\", \"x\")");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let trial = Trial::live();
        assert_eq!(trial.code("secret::format(\"{}{}\", \"a\")"), "secret::bad_template");
        assert_eq!(trial.code("secret::format(\"x\", \"a\")"), "secret::bad_template");
        assert_eq!(trial.code("secret::format(\"{}\", #{})"), "secret::bad_part");
        assert_eq!(trial.code("`x ${secret::format(\"{}\", \"b\")}`"), "secret::not_text");
    }
}
