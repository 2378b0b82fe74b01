//! What a script may say to HTTP servers: `get` reads; `post`, `put` and `delete` act.

use crate::duration::Span;
use crate::effect::{Change, Preview};
use crate::host::Host;
use crate::http::{self, Answer, HttpError, Request};
use crate::script::{Fault, Primitive, RhaiResultOf, Verb, bind, read, value};
use crate::secret::Secret;
use rhai::plugin::*;
use rhai::{Dynamic, Map, NativeCallContext};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// How to ask.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    user: Option<String>,
    password: Option<Secret>,
    headers: BTreeMap<String, String>,
    timeout: Option<Span>,
    /// Statuses that are a good answer; any other is an error. Without it every status is an answer.
    expect: Vec<u16>,
    /// The body as text.
    body: Option<String>,
    /// The body as a value, sent as JSON.
    json: Option<Value>,
}

#[export_module]
mod verbs {
    /// Asks a URL: `#{ status, headers, body, json }`. Options: `user` and `password` (a secret), `headers`,
    /// `timeout` (default `"10s"`), `expect` (a list of statuses; any other is an error).
    ///
    /// ```rhai
    /// let healthy = http::get("http://localhost:3000/api/healthz", #{ timeout: "5s" }).status == 200;
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn get(ctx: NativeCallContext, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
        look(&ctx, url, settings)
    }

    #[rhai_fn(name = "get", volatile, return_raw)]
    pub fn get_plain(ctx: NativeCallContext, url: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, url, Map::new())
    }

    /// Sends a POST. Options as for `get`, and `body` (a text) or `json` (a value).
    ///
    /// ```rhai
    /// http::post("http://localhost:3000/api/v1/admin/cron/git_gc_repos", #{ user: "root", password: sops::secret("helm/gitea-values.sops.yaml", "gitea.admin.password") });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn post(ctx: NativeCallContext, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "POST", url, settings)
    }

    /// Sends a PUT; options as for `post`.
    ///
    /// ```rhai
    /// http::put("http://localhost:3000/api/v1/topics", #{ json: #{ topics: ["a"] }, expect: [204] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn put(ctx: NativeCallContext, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "PUT", url, settings)
    }

    /// Sends a DELETE; options as for `get`.
    ///
    /// ```rhai
    /// http::delete("http://localhost:3000/api/v1/admin/hooks/1", #{ expect: [204, 404] });
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn delete(ctx: NativeCallContext, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
        act(&ctx, "DELETE", url, settings)
    }
}

fn look(ctx: &NativeCallContext, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
    read(ctx, &[], |host| {
        let options: Options = value::options(settings)?;
        let request = request(host, "GET", url, &options)?;
        let answer = host.wait::<_, _, Fault>(http::read(&request))?;
        judged(&request, &options, answer)
    })
}

fn act(ctx: &NativeCallContext, method: &'static str, url: &str, settings: Map) -> RhaiResultOf<Dynamic> {
    bind(ctx, |host| {
        let options: Options = value::options(settings)?;
        let what = Change::new("http", format!("{method} {url}")).touching(format!("http {url}"));
        host.change(
            what,
            || Ok(Preview::action(format!("{method} {url}"))),
            |permit, _| {
                let request = request(host, method, url, &options)?;
                let answer = host.wait::<_, _, Fault>(http::write(permit, &request))?;
                judged(&request, &options, answer)
            },
        )
    })
}

fn request(host: &Host, method: &'static str, url: &str, options: &Options) -> Result<Request, Fault> {
    let password = options.password.as_ref().map(|password| host.reveal(password)).transpose()?;
    let login = options.user.clone().map(|user| (user, password.unwrap_or_default().to_owned()));
    let mut headers: Vec<(String, String)> = options.headers.clone().into_iter().collect();
    let mut body = options.body.clone().map(String::into_bytes);
    if let Some(value) = &options.json {
        headers.push(("content-type".into(), "application/json".into()));
        body = Some(value.to_string().into_bytes());
    }
    let timeout = options.timeout.map_or(Duration::from_secs(10), |span| span.0);
    Ok(Request { method, url: url.to_owned(), login, headers, body, timeout })
}

fn judged(request: &Request, options: &Options, answer: Answer) -> Result<Value, Fault> {
    let body = String::from_utf8_lossy(&answer.body).into_owned();
    if !options.expect.is_empty() && !options.expect.contains(&answer.status) {
        let text: String = body.trim().chars().take(200).collect();
        return Err(HttpError::Unexpected { method: request.method.into(), url: request.url.clone(), status: answer.status, text }.into());
    }
    let json: Option<Value> = serde_json::from_str(&body).ok();
    let headers: BTreeMap<String, String> = answer.headers.into_iter().collect();
    Ok(json!({"status": answer.status, "headers": headers, "body": body, "json": json}))
}

pub fn primitive() -> Primitive {
    Primitive {
        name: "http",
        module: exported_module!(verbs),
        verbs: vec![
            Verb::read("get").options::<Options>(),
            Verb::action("post").options::<Options>(),
            Verb::action("put").options::<Options>(),
            Verb::action("delete").options::<Options>(),
        ],
        types: |_| {},
    }
}
