//! thin
use crate::engine::{Finding, Sources};
use crate::script::Fault;
#[derive(Clone, Copy)]
pub struct Style { pub colour: bool, pub width: usize }
pub struct Report { pub code: String, pub message: String, pub help: Option<String>, pub place: Option<String>, pub rendered: String }
pub fn finding(_: &Finding, _: &Sources, _: Style) -> Report { todo!() }
pub fn fault(fault: &Fault, _: &Sources, _: Style) -> Report {
    let place = fault.origin.as_ref().map(|o| format!("{}:{:?}", o.source, o.position));
    Report { code: fault.code(), message: fault.message(), help: fault.help(), rendered: format!("{}\n  × {}\n  at {:?}\n  help: {:?}", fault.code(), fault.message(), place, fault.help()), place }
}
pub fn render(error: &rhai::EvalAltResult, sources: &Sources, style: Style) -> Report {
    match Fault::find(error) {
        Some(f) => fault(&f, sources, style),
        None => Report { code: "script".into(), message: error.to_string(), help: None, place: None, rendered: format!("{error}") },
    }
}
