//! The verbs against a small server on loopback that remembers what it was asked.

use super::driver::How;
use crate::primitives::trial::Trial;
use crate::secret::{Secret, Text};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Answers every question with this status and body.
fn server(status: u16, body: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a", listener.local_addr().unwrap());
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let heard = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut read = vec![0; 4096];
            let mut length = stream.read(&mut read).unwrap();
            // A body may come on its own.
            stream.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
            length += stream.read(&mut read[length..]).unwrap_or(0);
            heard.lock().unwrap().push(String::from_utf8_lossy(&read[..length]).into_owned());
            let _ = write!(stream, "HTTP/1.1 {status} x\r\nX-A: b\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        }
    });
    Server { url, asked }
}

impl Server {
    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().drain(..).collect()
    }
}

#[test]
fn an_answer_has_status_headers_body_and_json() {
    let (trial, server) = (Trial::live(), server(500, "{\"a\": [1]}"));
    trial.run(&format!(
        "let a = http::get(\"{}\"); expect([a.status, a.headers[\"x-a\"], a.body, a.json.a[0]], [500, \"b\", \"{{\\\"a\\\": [1]}}\", 1])",
        server.url
    ));
    let secret = "secret::format(\"{}\", \"hunter22\")";
    trial.run(&format!("http::get(\"{}\", #{{ user: \"me\", password: {secret}, headers: #{{ \"X-T\": {secret} }} }})", server.url));
    let asked = server.asked().pop().unwrap();
    assert!(asked.contains("authorization: Basic bWU6aHVudGVyMjI=") && asked.contains("x-t: hunter22"), "{asked}");
}

#[test]
fn a_status_that_was_not_expected_is_an_error() {
    let (trial, bad) = (Trial::live(), server(404, "no such thing"));
    let error = trial.eval(&format!("http::get(\"{}\", #{{ expect: [200] }})", bad.url)).unwrap_err();
    assert_eq!(error, format!("http::unexpected_status: `GET {}` answered 404: no such thing", bad.url));
    assert_eq!(trial.text(&format!("http::delete(\"{}\", #{{ expect: [204, 404] }}).status", bad.url)), "404");
    assert_eq!(trial.code(&format!("http::post(\"{}\")", bad.url)), "http::unexpected_status");
    assert_eq!(trial.text(&format!("http::get(\"{}\", #{{ expect: 404 }}).json", bad.url)), "");
}

#[test]
fn an_action_sends_its_body_with_the_secrets_in_it() {
    let (trial, server) = (Trial::live(), server(201, ""));
    let secret = "secret::format(\"{}\", \"hunter22\")";
    trial.run(&format!(
        "http::post(\"{}\", #{{ json: #{{ password: {secret}, n: 1 }} }}); http::put(\"{}\", #{{ body: \"text\" }})",
        server.url, server.url
    ));
    let asked = server.asked();
    assert!(asked[0].starts_with("POST /a") && asked[0].ends_with("{\"n\":1,\"password\":\"hunter22\"}"), "{}", asked[0]);
    assert!(asked[0].contains("content-type: application/json") && asked[1].ends_with("\r\n\r\ntext"), "{}", asked[1]);
    assert_eq!(trial.said(), [format!("done http POST {}", server.url), format!("done http PUT {}", server.url)]);
}

#[test]
fn a_dry_run_asks_but_does_not_act() {
    let (trial, server) = (Trial::dry_run(), server(200, ""));
    let secret = "secret::format(\"{}\", \"hunter22\")";
    assert_eq!(trial.text(&format!("http::get(\"{}\").status", server.url)), "200");
    let code = trial.code(&format!("http::post(\"{}\", #{{ json: #{{ a: {secret} }} }}).status", server.url));
    assert_eq!((code.as_str(), server.asked().len()), ("pending", 1));
    assert_eq!(
        trial.said(),
        [format!(
            r#"plan http POST {}: {{"edits":[{{"text":{{"name":"json","unified":"@@ -0,0 +1,3 @@\n+{{\n+  \"a\": \"[secret]\"\n+}}\n"}}}}]}}"#,
            server.url
        )]
    );
}

#[test]
fn a_failure_about_something_planned_is_pending() {
    let trial = Trial::dry_run();
    let url = "http://127.0.0.1:1/x";
    assert_eq!(trial.code(&format!("http::get(\"{url}\")")), "http::unreachable");
    trial.run(&format!("http::put(\"{url}\", #{{}})"));
    assert_eq!(trial.code(&format!("http::get(\"{url}\").status")), "pending");
}

#[test]
fn bad_questions_are_refused() {
    let trial = Trial::live();
    assert_eq!(trial.code("http::get(\"x\")"), "http::bad_url");
    assert_eq!(trial.code("http::get(\"http://x\", #{ body: \"b\" })"), "option::invalid");
    assert_eq!(trial.code("http::get(\"http://x\", #{ user: \"a\", password: \"clear\" })"), "option::invalid");
    assert_eq!(trial.code("http::get(\"http://x\", #{ password: secret::format(\"x\", []) })"), "http::no_user");
    assert_eq!(trial.code("http::post(\"http://x\", #{ body: \"a\", json: 1 })"), "http::two_bodies");
}

#[test]
fn what_is_sent_and_not_shown_tells_requests_apart() {
    let (trial, secret) = (Trial::live(), |value: &str| Secret::known("x", value.into()));
    let headers = [("X-T".to_owned(), Text::Secret(secret("hunter22")))].into();
    let how = How { user: Some("me".into()), password: Some(secret("hunter33")), headers, ..How::default() };
    let body = Text::Secret(secret("hunter44"));
    let unseen = super::unseen(&trial.host, &how, Some(&body));
    assert_eq!(unseen, ["header X-T: hunter22", "user me", "password hunter33", "body hunter44"]);
    assert!(super::unseen(&trial.host, &How::default(), Some(&Text::Plain("shown".into()))).is_empty());
}
