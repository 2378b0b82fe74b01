//! What a script hands to a command or an object, taken over from Rhai: words, input, plain data with its secrets
//! revealed.

use super::command::Command;
use super::driver::timeout;
use super::error::KubeError;
use crate::duration::Span;
use crate::host::Host;
use crate::script::reveal::revealed;
use crate::script::{Fault, value};
use crate::secret::Secret;
use rhai::{Array, Dynamic};
use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ExecOptions {
    /// A text, a secret, or a list of both that is handed over line by line.
    pub stdin: Dynamic,
    pub container: Option<String>,
    /// The command alters nothing, so it runs in a dry run too.
    pub read_only: bool,
    /// A status other than 0 is returned, not an error.
    pub may_fail: bool,
    pub timeout: Option<Span>,
}

pub fn command(host: &Host, words: Array, options: &ExecOptions) -> Result<Command, Fault> {
    let words = words.into_iter().map(|word| {
        let kind = value::kind(&word);
        word.into_string().map_err(|_| KubeError::Unfit {
            option: "command",
            given: kind,
            wanted: "texts; a secret goes in through `stdin`",
        })
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    Ok(Command { words, stdin: stdin(host, &options.stdin)?, may_fail: options.may_fail, timeout: timeout(options.timeout) })
}

/// A text or a secret as it is; a list line by line.
fn stdin(host: &Host, given: &Dynamic) -> Result<Vec<u8>, Fault> {
    if let Some(list) = given.read_lock::<Array>() {
        let lines = list.iter().map(|item| line(host, item)).collect::<Result<Vec<_>, _>>()?;
        return Ok(lines.into_iter().flat_map(|line| line.into_bytes().into_iter().chain(*b"\n")).collect());
    }
    if given.is_unit() { Ok(Vec::new()) } else { line(host, given).map(String::into_bytes) }
}

fn line(host: &Host, given: &Dynamic) -> Result<String, Fault> {
    if let Some(secret) = given.read_lock::<Secret>() {
        return Ok(host.reveal(&secret)?.to_owned());
    }
    let wrong = |_| KubeError::Unfit { option: "stdin", given: value::kind(given), wanted: "a text, a secret, or a list of both" };
    Ok(given.clone().into_string().map_err(wrong)?)
}

/// A script's value as JSON, its secrets revealed and masked from now on.
pub fn json(host: &Host, given: &Dynamic) -> Result<Value, Fault> {
    let plain = revealed(host, given)?.value;
    serde_json::to_value(plain).map_err(|error| value::ValueError::Answer(error.to_string()).into())
}
