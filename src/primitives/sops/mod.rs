//! What a script may say about encrypted files: read them, point at a secret, set, generate, create.

mod driver;
mod generate;

use crate::script::reveal::{Revealed, revealed};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, bind_declaring, host_of, read_value, value};
use crate::sops::{Clear, Key, Part};
use driver::Vault;
use generate::GenerateOptions;
use rhai::Map;
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use serde_yaml::Value;

#[export_module]
mod verbs {
    use crate::effect::Change;

    /// The content of an encrypted file: what is encrypted in it comes as secrets, the rest as it is.
    ///
    /// ```rhai
    /// let values = sops::read("helm/gitea-values.sops.yaml");
    /// note(values.gitea.admin.username);
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn read(ctx: NativeCallContext, file: &str) -> RhaiResultOf<Dynamic> {
        read_value(&ctx, &[&touched(&ctx, file)], |host| {
            let clear = host.wait::<_, _, Fault>(Vault::on(host).open(file))?;
            script_value(&clear, &Key(Vec::new()), &clear.value, &format!("sops:{file}"))
        })
    }

    /// One value of an encrypted file, as a secret. It is read when a verb uses it, so it may be named anywhere.
    /// A dot that belongs to a name is written `\\.`, an item of a list `users[0]`.
    ///
    /// ```rhai
    /// let password = sops::secret("helm/gitea-values.sops.yaml", "gitea.admin.password");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn secret(ctx: NativeCallContext, file: &str, path: &str) -> RhaiResultOf<Dynamic> {
        bind_declaring(&ctx, |_| Ok(Dynamic::from(driver::lazy(&host_of(&ctx), file, &Key::parse(path)?))))
    }

    /// Sets one value of an encrypted file: a text, a number, `true` or `false`, a list, a map or a secret.
    /// A secret is refused where the file's rule would leave it readable.
    ///
    /// ```rhai
    /// sops::set("helm/gitea-values.sops.yaml", "gitea.config.database.HOST", "db.platform.svc.cluster.local:5432");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn set(ctx: NativeCallContext, file: &str, path: &str, new: Dynamic) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let (vault, key, new) = (Vault::on(host), Key::parse(path)?, revealed(host, &new)?);
            let what = Change::new("sops set", format!("{}#{path}", vault.name(file))).touching(vault.resource(file));
            host.change(
                what,
                || host.wait(vault.preview_set(file, &key, &new.value, &new.secrets)),
                |permit, _| host.wait(vault.set(permit, file, &key, &new.value)),
            )
        })
    }

    /// Puts a new random password into an encrypted file, unless there is a value already.
    /// Options: `length` (32), `alphabet` (letters and digits; never `,`, `;` or blanks).
    ///
    /// ```rhai
    /// sops::generate("helm/postgresql-ha-values.sops.yaml", "postgresql.password", #{ length: 40 });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn generate(ctx: NativeCallContext, file: &str, path: &str, options: Map) -> RhaiResultOf<Dynamic> {
        make_up(&ctx, file, path, options)
    }

    #[rhai_fn(name = "generate", volatile, return_raw)]
    pub fn generate_default(ctx: NativeCallContext, file: &str, path: &str) -> RhaiResultOf<Dynamic> {
        make_up(&ctx, file, path, Map::new())
    }

    /// Encrypts a file to those whom the `.sops.yaml` above it names, as after a move to another checkout.
    ///
    /// ```rhai
    /// sops::update_keys("../railiance-apps/helm/gitea-values.sops.yaml");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn update_keys(ctx: NativeCallContext, file: &str) -> RhaiResultOf<Dynamic> {
        update(&ctx, file)
    }

    /// Makes an encrypted file, by the rules of the `.sops.yaml` above it. One that is there already stays as it is.
    ///
    /// ```rhai
    /// sops::create("helm/valkey-values.sops.yaml", #{ auth: #{ enabled: true, password: secret::format("{}", "first") } });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn create(ctx: NativeCallContext, file: &str, content: Map) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let (vault, content) = (Vault::on(host), Dynamic::from(content));
            host.change(
                Change::new("sops create", vault.name(file)).touching(vault.resource(file)),
                || {
                    let Revealed { value, secrets } = revealed(host, &content)?;
                    host.wait(vault.preview_create(file, value, &secrets))
                },
                |permit, _| host.wait(vault.create(permit, file, &revealed(host, &content)?.value)),
            )
        })
    }
}

fn update(ctx: &NativeCallContext, file: &str) -> RhaiResultOf<Dynamic> {
    use crate::effect::Change;
    bind(ctx, |host| {
        let vault = Vault::on(host);
        host.change(
            Change::new("sops update_keys", vault.name(file)).touching(vault.resource(file)),
            || host.wait(vault.preview_update_keys(file)),
            |permit, _| host.wait(vault.update_keys(permit, file)),
        )
    })
}

fn make_up(ctx: &NativeCallContext, file: &str, path: &str, options: Map) -> RhaiResultOf<Dynamic> {
    use crate::effect::Change;
    bind(ctx, |host| {
        let (vault, key) = (Vault::on(host), Key::parse(path)?);
        let name = format!("{}#{path}", vault.name(file));
        let seed = host.passwords.get().map(|key| key.derived(name.as_bytes()).seed());
        let password = generate::password(&value::options::<GenerateOptions>(options)?, seed)?;
        host.redactor.learn(&password);
        let password = Value::String(password);
        host.change(
            Change::new("sops generate", name).touching(vault.resource(file)),
            || host.wait(vault.preview_generate(file, &key, &password)),
            |permit, _| host.wait(vault.set(permit, file, &key, &password)),
        )
    })
}

/// How a plan names the file.
fn touched(ctx: &NativeCallContext, file: &str) -> String {
    Vault::on(&host_of(ctx)).resource(file)
}

/// A decrypted value as a script sees it: secrets stay secrets.
fn script_value(clear: &Clear, at: &Key, given: &Value, origin: &str) -> Result<Dynamic, Fault> {
    match given {
        Value::Mapping(map) => {
            let mut shown = Map::new();
            for (name, inner) in map {
                let name = name.as_str().map_or_else(|| serde_yaml::to_string(name).unwrap_or_default().trim().to_owned(), str::to_owned);
                let inner = script_value(clear, &at.child(Part::Name(name.clone())), inner, origin)?;
                shown.insert(name.into(), inner);
            }
            Ok(shown.into())
        }
        Value::Sequence(list) => {
            let item = |(index, inner)| script_value(clear, &at.child(Part::Index(index)), inner, origin);
            Ok(list.iter().enumerate().map(item).collect::<Result<rhai::Array, Fault>>()?.into())
        }
        single => match driver::known(clear, at, single, origin) {
            Some(secret) => Ok(Dynamic::from(secret)),
            None => value::answer(single),
        },
    }
}

pub fn primitive() -> Primitive {
    let verbs = vec![
        Verb::read("read"),
        Verb::read("secret").while_declaring(),
        Verb::state("set"),
        Verb::state("generate").options::<GenerateOptions>(),
        Verb::state("update_keys"),
        Verb::state("create"),
    ];
    Primitive { name: "sops", module: exported_module!(verbs), verbs, types: |_| {} }
}

#[cfg(test)]
mod tests;
