//! What a script may say to HTTP servers: `get` reads; `post`, `put` and `delete` act.

mod driver;

use crate::duration::Span;
use crate::effect::{Change, Diff, Preview};
use crate::host::Host;
use crate::http;
use crate::script::reveal::revealed;
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use crate::secret::{Secret, Text};
use driver::{AskError, How, Service, Statuses};
use rhai::Map;
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use serde::Deserialize;
use std::collections::BTreeMap;

/// How to ask with `get`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GetOptions {
    user: Option<String>,
    password: Option<Secret>,
    headers: BTreeMap<String, Text>,
    timeout: Option<Span>,
    expect: Option<Statuses>,
}

/// How to ask with a method that acts, and what to send.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SendOptions {
    user: Option<String>,
    password: Option<Secret>,
    headers: BTreeMap<String, Text>,
    timeout: Option<Span>,
    expect: Option<Statuses>,
    body: Option<Text>,
    json: Option<Dynamic>,
}

#[export_module]
mod verbs {
    /// Asks a URL: `#{ status, headers, body, json }`. Any status is an answer, a redirect too, unless `expect` (one
    /// status or a list) says otherwise. Options: `user`, `password` (a secret), `headers` (texts or secrets), `timeout`
    /// (`"10s"`), `expect`. A Service is reached by its name in the cluster, from wherever railrun runs.
    ///
    /// ```rhai
    /// let healthy = http::get("http://gitea-http.gitea.svc.cluster.local:3000/api/healthz", #{ timeout: "5s" }).status == 200;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn get(ctx: NativeCallContext, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
        look(&ctx, url, options)
    }

    #[rhai_fn(name = "get", volatile, return_raw)]
    pub fn get_plain(ctx: NativeCallContext, url: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, url, Map::new())
    }

    /// Sends a POST, which must be answered 2xx (or as `expect` says). Options as for `get`, and `json` (a value, secrets
    /// in it too) or `body` (a text or a secret).
    ///
    /// ```rhai
    /// let root = sops::secret("helm/gitea-values.sops.yaml", "gitea.admin.password");
    /// http::post("http://localhost:3000/api/v1/orgs", #{ user: "root", password: root, json: #{ username: "platform" } });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn post(ctx: NativeCallContext, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "POST", url, options)
    }

    #[rhai_fn(name = "post", volatile, return_raw)]
    pub fn post_plain(ctx: NativeCallContext, url: &str) -> RhaiResultOf<Dynamic> {
        act(&ctx, "POST", url, Map::new())
    }

    /// Sends a PUT; answers and options as for `post`.
    ///
    /// ```rhai
    /// http::put("http://localhost:3000/api/v1/repos/a/b/topics", #{ json: #{ topics: ["infra"] }, expect: 204 });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn put(ctx: NativeCallContext, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "PUT", url, options)
    }

    /// Sends a DELETE; answers and options as for `post`.
    ///
    /// ```rhai
    /// http::delete("http://localhost:3000/api/v1/admin/hooks/1", #{ expect: [204, 404] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn delete(ctx: NativeCallContext, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "DELETE", url, options)
    }

    #[rhai_fn(name = "delete", volatile, return_raw)]
    pub fn delete_plain(ctx: NativeCallContext, url: &str) -> RhaiResultOf<Dynamic> {
        act(&ctx, "DELETE", url, Map::new())
    }
}

fn look(ctx: &NativeCallContext, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
    let about = about(url);
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    read(ctx, &about, |host| {
        driver::presentable(host, url)?;
        let GetOptions { user, password, headers, timeout, expect } = value::options(options)?;
        let how = How { user, password, headers, timeout, expect };
        driver::ask(host, &driver::request(host, "GET", url, &how, None)?, how.expect.as_ref())
    })
}

fn act(ctx: &NativeCallContext, method: &'static str, url: &str, options: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        driver::presentable(host, url)?;
        let SendOptions { user, password, headers, timeout, expect, body, json } = value::options(options)?;
        let how = How { user, password, headers, timeout, expect };
        let what = about(url).into_iter().fold(Change::new("http", format!("{method} {url}")), Change::touching);
        host.change(
            what,
            || Ok(Preview::Action { request: shown(host, body.as_ref(), json.as_ref())?.with_unseen(unseen(host, &how, body.as_ref())) }),
            |permit, _| {
                let mut how = how.clone();
                let body = content(host, url, &mut how, body.as_ref(), json.as_ref())?;
                let request = driver::request(host, method, url, &how, body)?;
                let route = driver::route(host, url)?;
                let answer = host.wait::<_, _, Fault>(http::write(permit, &request, route))?;
                Ok(driver::judged(&request, how.expect.as_ref(), answer)?)
            },
        )
    })
}

/// What a plan should know the question is about.
fn about(url: &str) -> Vec<String> {
    let service = Service::of(url).map(|service| service.resource());
    [format!("http {url}")].into_iter().chain(service).collect()
}

/// What would be sent; secrets in it are masked.
fn shown(host: &Host, body: Option<&Text>, json: Option<&Dynamic>) -> Result<Diff, Fault> {
    let diff = match body {
        Some(Text::Plain(text)) => Diff::new().text("body", "", text),
        Some(Text::Secret(_)) => Diff::new().secret("body", false),
        None => Diff::new(),
    };
    let Some(json) = json else { return Ok(diff) };
    let text = serde_json::to_string_pretty(&revealed(host, json)?.value).unwrap_or_default();
    Ok(diff.text("json", "", &format!("{text}\n")))
}

/// What is sent beside that. A secret that cannot be read yet stays out, and no saved plan with it can be applied.
fn unseen(host: &Host, how: &How, body: Option<&Text>) -> Vec<String> {
    let read = |secret: &Secret| host.reveal(secret).unwrap_or_default().to_owned();
    let text = |text: &Text| match text {
        Text::Plain(text) => text.clone(),
        Text::Secret(secret) => read(secret),
    };
    let headers = how.headers.iter().map(|(name, value)| format!("header {name}: {}", text(value)));
    let user = how.user.iter().map(|user| format!("user {user}"));
    let password = how.password.iter().map(|password| format!("password {}", read(password)));
    let body = body.iter().filter(|body| matches!(body, Text::Secret(_))).map(|body| format!("body {}", text(body)));
    headers.chain(user).chain(password).chain(body).collect()
}

fn content(host: &Host, url: &str, how: &mut How, body: Option<&Text>, json: Option<&Dynamic>) -> Result<Option<Vec<u8>>, Fault> {
    match (body, json) {
        (None, None) => Ok(None),
        (Some(text), None) => Ok(Some(host.reveal_text(text)?.as_bytes().to_vec())),
        (None, Some(json)) => {
            how.headers.entry("content-type".into()).or_insert(Text::Plain("application/json".into()));
            Ok(Some(serde_json::to_vec(&revealed(host, json)?.value).unwrap_or_default()))
        }
        (Some(_), Some(_)) => Err(AskError::TwoBodies { url: url.into() }.into()),
    }
}

pub fn primitive() -> Primitive {
    let actions = ["post", "put", "delete"].map(|name| Verb::action(name).options::<SendOptions>());
    Primitive {
        name: "http",
        module: exported_module!(verbs),
        verbs: [Verb::read("get").options::<GetOptions>()].into_iter().chain(actions).collect(),
        types: |_| {},
    }
}

#[cfg(test)]
mod tests;
