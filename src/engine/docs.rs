//! thin
use crate::script::Fault;
pub fn reference() -> String {
    String::new()
}
pub fn text(_: Option<&str>) -> Result<String, Fault> {
    Ok(String::new())
}
