//! What a lease says, and a renewal that comes too late.

use super::*;

#[test]
fn what_a_lease_says_is_read() {
    let held = Held::of(&json!({"metadata": {"resourceVersion": "7"}, "spec": {"holderIdentity": "me@here, pid 1",
        "leaseDurationSeconds": 3, "acquireTime": "2026-01-01T00:00:00.000000Z"}}));
    assert_eq!((held.holder.as_str(), held.lasts, held.version.as_str()), ("me@here, pid 1", Duration::from_secs(3), "7"));
}

#[test]
fn a_time_is_written_as_the_api_wants_it() {
    let now = now();
    assert!(now.len() == 27 && now.ends_with('Z') && now.as_bytes()[19] == b'.', "{now}");
}

#[test]
fn a_lease_says_no_less_than_it_lasts() {
    let said = [0, 1000, 2500, 15_000].map(|millis| whole_seconds(Duration::from_millis(millis)));
    assert_eq!(said, [1, 1, 3, 15]);
}

fn shared(lasts: Duration, answer_after: Duration) -> Shared {
    let api = tower::service_fn(move |_: http::Request<kube::client::Body>| async move {
        tokio::time::sleep(answer_after).await;
        Ok::<_, std::convert::Infallible>(http::Response::new(kube::client::Body::from(
            br#"{"metadata": {"resourceVersion": "2"}}"#.to_vec(),
        )))
    });
    let wanted = Wanted { namespace: "default".into(), name: "railrun-lab".into(), holder: "me".into(), lasts };
    let state = State { version: "1".into(), until: clock() + lasts, lost: None };
    Shared { api: Client::new(api, "default"), wanted, since: String::new(), state: Mutex::new(state) }
}

/// The answer came, then the process stood still: it slept on before it noticed.
#[tokio::test]
async fn a_renewal_that_came_too_late_is_noticed_at_once() {
    let (short, long) = (Duration::from_millis(50), Duration::from_secs(30));
    assert!(shared(short, short * 4).beat().await.unwrap_err().contains("was not renewed in time"));
    assert_eq!(shared(long, Duration::ZERO).beat().await, Ok(long / 3));
}
