//! Samples whether a user can log in at a URL: by basic authentication, or through a sign-in form as a browser would.

use super::sample::{Clock, Series};
use regex::Regex;
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, Response, Url};
use std::sync::LazyLock;
use std::time::Duration;

/// What to ask, and how often.
#[derive(Clone)]
pub struct Login {
    pub url: Url,
    pub user: String,
    pub password: String,
    /// Whether `url` is a page with a form (`user_name`, `password`) that is filled in and sent.
    pub form: bool,
    /// From the start of one question to the start of the next.
    pub every: Duration,
    /// So long one answer may take.
    pub timeout: Duration,
}

static TOKEN: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"name="_csrf"\s+value="([^"]*)""#).expect("a pattern"));

/// Asks until it is aborted. Questions overlap where answers are slow, so that a slow answer hides no other.
pub async fn sample(client: Client, login: Login, clock: Clock, series: Series<()>) {
    let mut tick = tokio::time::interval(login.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut asking = tokio::task::JoinSet::new();
    loop {
        tick.tick().await;
        let (client, login, series) = (client.clone(), login.clone(), series.clone());
        asking.spawn(async move {
            let asked = tokio::time::timeout(login.timeout, ask(&client, &login));
            let sample = clock.sample(async { asked.await.unwrap_or_else(|_| Err("no answer in time".into())) }).await;
            series.add(sample);
        });
        while asking.try_join_next().is_some() {}
    }
}

async fn ask(client: &Client, login: &Login) -> Result<(), String> {
    if login.form { sign_in(client, login).await } else { enter(client, login).await }
}

async fn enter(client: &Client, login: &Login) -> Result<(), String> {
    let answer = client.get(login.url.clone()).basic_auth(&login.user, Some(&login.password)).send().await;
    let answer = answer.map_err(|error| kind(&error))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("HTTP {}", answer.status().as_u16())) }
}

/// Signed in is who is sent on, and not back to the form.
async fn sign_in(client: &Client, login: &Login) -> Result<(), String> {
    let page = client.get(login.url.clone()).send().await.map_err(|error| kind(&error))?;
    if !page.status().is_success() {
        return Err(format!("HTTP {} for the form", page.status().as_u16()));
    }
    let cookies = cookies(&page);
    let text = page.text().await.map_err(|error| kind(&error))?;
    let mut fields = vec![("user_name", login.user.as_str()), ("password", login.password.as_str())];
    let token = TOKEN.captures(&text).map(|found| found[1].to_owned());
    fields.extend(token.as_deref().map(|token| ("_csrf", token)));
    let sending = client.post(login.url.clone()).header(COOKIE, cookies).header(ORIGIN, login.url.origin().ascii_serialization());
    let answer = sending.form(&fields).send().await.map_err(|error| kind(&error))?;
    judged(answer.status().as_u16(), answer.headers().get(LOCATION).and_then(|to| to.to_str().ok()), login.url.path())
}

fn judged(status: u16, location: Option<&str>, form: &str) -> Result<(), String> {
    match (status, location) {
        (300..400, Some(to)) if !to.contains(form) => Ok(()),
        (200, _) => Err("the form again: not signed in".into()),
        (status, _) => Err(format!("HTTP {status} for the sign-in")),
    }
}

fn cookies(page: &Response) -> String {
    let set = page.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    set.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
}

fn kind(error: &reqwest::Error) -> String {
    let kinds = [(error.is_timeout(), "no answer in time"), (error.is_connect(), "refused"), (true, "connection broken")];
    kinds.iter().find(|(is, _)| *is).map_or("", |(_, kind)| kind).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_in_is_who_is_sent_on() {
        assert_eq!(judged(303, Some("/"), "/user/login"), Ok(()));
        assert!(judged(303, Some("/user/login?again=1"), "/user/login").is_err());
        assert!(judged(200, None, "/user/login").unwrap_err().contains("not signed in"));
        assert_eq!(judged(500, None, "/user/login").unwrap_err(), "HTTP 500 for the sign-in");
    }

    #[test]
    fn the_token_of_an_older_form_is_found() {
        let page = r#"<input type="hidden" name="_csrf" value="a-b_c:1">"#;
        assert_eq!(&TOKEN.captures(page).unwrap()[1], "a-b_c:1");
    }
}
