//! The door against a small server on loopback.

use super::*;
use crate::bridge::Bridge;
use crate::effect::Interrupted;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers each connection with what `answer` makes of the request.
async fn serve(answer: impl Fn(String) -> String + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut read = vec![0; 4096];
            let length = stream.read(&mut read).await.unwrap();
            let text = answer(String::from_utf8_lossy(&read[..length]).into_owned());
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    address
}

use std::net::SocketAddr;

fn run<T>(work: impl Future<Output = T>) -> T {
    Bridge::new().unwrap().wait::<_, Interrupted, Interrupted>(async { Ok(work.await) }).unwrap()
}

fn get(url: &str) -> Request {
    Request { method: "GET", url: url.into(), login: None, headers: Vec::new(), body: None, timeout: Duration::from_secs(5) }
}

fn echo(request: String) -> String {
    format!("HTTP/1.1 207 x\r\nX-A: b\r\nContent-Length: {}\r\n\r\n{request}", request.len())
}

fn code(error: &HttpError) -> String {
    Diagnostic::code(error).unwrap().to_string()
}

#[test]
fn a_question_is_asked_with_login_and_headers() {
    let answer = run(async {
        let address = serve(echo).await;
        let request = Request {
            login: Some(("me".into(), "pw".into())),
            headers: vec![("X-Ask".into(), "1".into())],
            ..get(&format!("http://{address}/a?b=c"))
        };
        read(&request, Route::Url).await.unwrap()
    });
    let asked = String::from_utf8(answer.body).unwrap();
    assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n") && asked.contains("authorization: Basic bWU6cHc=\r\n"), "{asked}");
    assert!(asked.contains("x-ask: 1\r\n") && asked.contains("user-agent: railrun/"), "{asked}");
    assert_eq!((answer.status, &answer.headers[0]), (207, &("x-a".to_owned(), "b".to_owned())));
}

#[test]
fn a_name_can_be_sent_to_an_address() {
    let answer = run(async {
        let address = serve(echo).await;
        let url = format!("http://gitea-http.gitea.svc.cluster.local:{}/", address.port());
        read(&get(&url), Route::Address(address.ip())).await.unwrap()
    });
    assert!(String::from_utf8(answer.body).unwrap().contains("host: gitea-http.gitea.svc.cluster.local:"));
}

#[test]
fn a_connection_that_is_there_already_is_used() {
    let answer = run(async {
        let address = serve(echo).await;
        let connection = TcpStream::connect(address).await.unwrap();
        let request = Request { method: "POST", body: Some(b"text".to_vec()), ..get("http://in.the.cluster:3000/a?b") };
        write(&Permit::for_tests(), &request, Route::Over(Box::new(connection))).await.unwrap()
    });
    let asked = String::from_utf8(answer.body).unwrap();
    assert!(asked.starts_with("POST /a?b HTTP/1.1\r\n") && asked.contains("host: in.the.cluster:3000\r\n"), "{asked}");
    assert!(asked.ends_with("\r\n\r\ntext"), "{asked}");
}

#[test]
fn a_redirect_is_an_answer_and_takes_no_password_along() {
    let answer = run(async {
        let address = serve(|_| "HTTP/1.1 302 x\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into()).await;
        read(&get(&format!("http://{address}/")), Route::Url).await.unwrap()
    });
    assert_eq!(answer.status, 302);
}

#[test]
fn every_failure_has_its_own_error() {
    let fails = |url: &str| code(&run(read(&get(url), Route::Url)).unwrap_err());
    assert_eq!(["", "nonsense", "ftp://x/", "http://me:pw@host/"].map(fails), ["http::bad_url"; 4]);
    assert_eq!(fails("http://127.0.0.1:1/"), "http::unreachable");
    let error = run(read(&get("http://127.0.0.1:1/"), Route::Url)).unwrap_err();
    assert_eq!(error.to_string(), "`GET http://127.0.0.1:1/` got no connection: the connection was refused");
    let error = run(read(&get("http://me:hunter22@host/"), Route::Url)).unwrap_err();
    assert!(!error.to_string().contains("hunter22"), "{error}");
    let header = Request { headers: vec![("a b".into(), String::new())], ..get("http://x/") };
    assert_eq!(code(&run(read(&header, Route::Url)).unwrap_err()), "http::bad_header");
    let changing = Request { method: "PUT", ..get("http://x/") };
    assert_eq!(code(&run(read(&changing, Route::Url)).unwrap_err()), "http::bad_url");
}

#[test]
fn a_server_that_hangs_or_breaks_off_is_told_apart() {
    let (hangs, breaks) = run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = format!("http://{}/", listener.local_addr().unwrap());
        let hangs = read(&Request { timeout: Duration::from_millis(200), ..get(&silent) }, Route::Url).await.unwrap_err();
        let address = serve(|_| "HTTP/1.1 200 x\r\nContent-Length: 10\r\n\r\nshort".into()).await;
        (hangs, read(&get(&format!("http://{address}/")), Route::Url).await.unwrap_err())
    });
    assert_eq!((code(&hangs).as_str(), code(&breaks).as_str()), ("http::timeout", "http::broken"));
}
