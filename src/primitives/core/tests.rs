//! The words without a namespace, as scripts say them.

use crate::primitives::trial::Trial;

#[test]
fn what_is_equal_passes_whatever_it_is_made_of() {
    Trial::live().run("expect(1, 1); expect(1, 1.0); expect(\"a\", \"a\"); expect([1, #{a: [2]}], [1, #{a: [2]}]); expect((), ()); expect(duration(\"1m\"), duration(\"60s\"));");
}

#[test]
fn a_difference_is_reported_with_both_values() {
    let trial = Trial::live();
    let said = |script: &str| trial.eval(script).unwrap_err();
    assert_eq!(said("expect(2, 3)"), "expect::differs: expected 3, found 2");
    assert_eq!(said("expect([1, \"a\"], [1], \"pods\")"), "expect::differs: pods: expected [1], found [1, \"a\"]");
    assert_eq!(said("expect(\"5\", 5)"), "expect::differs: expected 5, which is a number, found \"5\", which is a text");
    assert_eq!(said("expect((), #{a: 1})"), "expect::differs: expected #{\"a\": 1}, which is a map, found (), which is nothing");
    let secret = "secret::format(\"{}\", \"hunter22\")";
    assert_eq!(said(&format!("expect({secret}, secret::format(\"x\", []))")), "expect::differs: expected [secret], found [secret]");
    trial.run(&format!("expect({secret}, {secret})"));
}

#[test]
fn a_closure_is_tried_until_it_succeeds() {
    let trial = Trial::live();
    let script = "let n = 0; let answer = retry(#{every: \"1ms\"}, || { n += 1; if n < 3 { throw \"not yet\"; } if n < 5 { return false; } n }); [answer, n]";
    assert_eq!(trial.text(script), "[5, 5]");
    assert_eq!(trial.text("retry(|| ())"), "");
}

#[test]
fn it_gives_up_in_time_with_the_last_reason() {
    let trial = Trial::live();
    let error = trial.eval("retry(#{every: \"1ms\", times: 3}, || { throw \"still down\"; })").unwrap_err();
    assert!(error.contains("still down"), "{error}");
    let error = trial.eval("retry(#{every: \"20ms\", timeout: \"50ms\"}, || false)").unwrap_err();
    assert!(error.starts_with("retry::gave_up: gave up after 3 tries"), "{error}");
    assert_eq!(trial.code("retry(#{every: \"1ms\", times: 2}, || http::get(\"http://127.0.0.1:1/\"))"), "http::unreachable");
}

#[test]
fn a_question_that_is_itself_wrong_is_asked_once() {
    let trial = Trial::live();
    for (question, code) in [
        ("http::get(\"htp://x\")", "http::bad_url"),
        ("settings::get(\"nowhere\")", "settings::missing"),
        ("http::get(\"http://x\", #{ timeout: true })", "option::invalid"),
    ] {
        let tries = format!("try {{ retry(#{{every: \"1ms\", times: 3}}, || {{ n += 1; {question} }}) }} catch (e) {{ code = e.code; }}");
        assert_eq!(trial.text(&format!("let n = 0; let code = (); {tries} [n, code]")), format!("[1, \"{code}\"]"));
    }
}

#[test]
fn a_mistake_in_the_script_is_not_tried_again() {
    let trial = Trial::live();
    let error =
        trial.eval("let n = 0; try { retry(#{every: \"1ms\"}, || { n += 1; unknown_function(n) }) } catch (e) { throw n; }").unwrap_err();
    assert!(error.contains(": 1"), "{error}");
}

#[test]
fn a_dry_run_asks_once_and_does_not_wait() {
    let trial = Trial::dry_run();
    let began = std::time::Instant::now();
    assert_eq!(trial.text("let n = 0; try { retry(#{every: \"10s\"}, || { n += 1; false }) } catch { } sleep(\"10s\"); n"), "1");
    assert!(began.elapsed().as_secs() < 5);
}

#[test]
fn durations_compare_and_add() {
    let trial = Trial::live();
    let holds = "duration(\"10s\") > duration(\"9s\") && duration(\"1m\") == duration(\"60s\") && duration(\"1m\") + duration(\"30s\") != duration(\"1m\") && (duration(\"90s\") - duration(\"30s\")).seconds == 60.0";
    assert_eq!(trial.text(holds), "true");
    assert_eq!(trial.text("`${duration(\"90s\")}` + duration(\"250ms\")"), "1m 30s250ms");
    assert_eq!(trial.code("duration(\"soon\")"), "duration::invalid");
    assert_eq!(trial.code("duration(\"1s\") - duration(\"2s\")"), "duration::negative");
    assert_eq!(trial.code("duration(\"1s\") < \"2s\""), "duration::not_comparable");
    assert_eq!(trial.code("1 == duration(\"1s\")"), "duration::not_comparable");
}

#[test]
fn notes_are_said_and_show_no_secret() {
    let trial = Trial::live();
    trial.run("note(\"hello\"); note([1, secret::format(\"{}\", \"hunter22\")]); note(secret::format(\"{}\", \"a\"))");
    assert_eq!(trial.said(), ["note hello", "note [1, [secret]]", "note [secret]"]);
    assert_eq!(trial.code("note(`${secret::format(\"{}\", \"a\")}`)"), "secret::not_text");
    assert!(trial.said().is_empty());
}

#[test]
fn now_is_a_moment_in_utc() {
    assert!(Trial::live().text("now()").parse::<jiff::Timestamp>().is_ok());
}

#[test]
fn while_declaring_waiting_and_asking_are_refused() {
    let trial = Trial::live();
    trial.host.set_declaring(true);
    for script in ["now()", "sleep(\"1s\")", "retry(|| true)"] {
        assert_eq!(trial.code(script), "script::not_here", "{script}");
    }
    trial.run("duration(\"1s\"); note(\"x\")");
}
