//! The values that a release is to have: read from files and script, laid over each other, and looked through for
//! keys that no chart reads. How a file is decrypted is `sops`' business.

use super::command::UpgradeOptions;
use super::driver::Helm;
use super::error::HelmError;
use super::upgrade::Upgrade;
use super::values::{self, Given};
use crate::chart::{self, Chart};
use crate::chart_values;
use crate::secret::Secret;
use crate::sops::Sops;
use crate::yaml;
use serde_json::{Map, Value};

impl Helm<'_> {
    /// All layers as one map. Every secret in it is masked from here on.
    pub async fn values_of(&self, upgrade: &Upgrade) -> Result<Value, HelmError> {
        let mut merged = Value::Object(Map::new());
        for file in &upgrade.options.values_files {
            let layer = self.file(file).await.map_err(|error| in_file(upgrade, file, error))?;
            values::overlay(&mut merged, layer);
        }
        for given in &upgrade.options.values.0 {
            let layer = self.layer(given)?.map_err(|reason| bad(upgrade, &reason))?;
            values::overlay(&mut merged, layer);
        }
        Ok(merged)
    }

    async fn file(&self, file: &str) -> Result<Value, FileTrouble> {
        let path = self.host.files.path(file);
        let text = self.host.files.read(&path).map_err(HelmError::from)?;
        let layer = yaml::document(&text).map_err(FileTrouble::Content)?;
        if !file.contains(".sops.") && !layer["sops"].is_object() {
            return map(Ok(layer)).map_err(FileTrouble::Content);
        }
        let clear = Sops::on(&self.host.process, &self.host.files).open(&path).await.map_err(HelmError::from)?;
        clear.secrets().iter().for_each(|secret| self.host.redactor.learn(secret));
        map(values::json(clear.value)).map_err(FileTrouble::Content)
    }

    /// One layer of a script: a map, or a text that holds one.
    fn layer(&self, given: &Given) -> Result<Result<Value, String>, HelmError> {
        let reveal = |secret: &Secret| self.host.reveal(secret).map(str::to_owned).map_err(HelmError::from);
        Ok(match given.resolve(&reveal)? {
            Value::String(text) => map(yaml::document(&text)),
            value => map(Ok(value)),
        })
    }

    /// Warns about keys that neither the chart nor its subcharts read, at their place. A chart that is not on this
    /// machine, and a value that cannot be looked through, are left alone.
    pub fn warn_of_unread_values(&self, upgrade: &Upgrade) -> Result<(), HelmError> {
        let Some(chart) = self.chart(upgrade) else { return Ok(()) };
        for file in &upgrade.options.values_files {
            let text = self.host.files.read(&self.host.files.path(file))?;
            for unread in chart_values::unread(&chart, &text) {
                self.host.events.warn(format!("{file}:{}:{}: {}", unread.line, unread.column, unread.message(&chart.name)));
            }
        }
        for given in &upgrade.options.values.0 {
            let layer = self.layer(given)?.unwrap_or_default();
            for unread in chart_values::unread(&chart, &layer.to_string()) {
                self.host.events.warn(format!("values for `{}`: {}", upgrade.release, unread.message(&chart.name)));
            }
        }
        Ok(())
    }

    fn chart(&self, upgrade: &Upgrade) -> Option<Chart> {
        let UpgradeOptions { chart, version, .. } = &upgrade.options;
        let local = self.host.files.path(chart);
        if local.exists() { Chart::read(&local).ok() } else { chart::fetched(chart, version.as_deref()?) }
    }
}

enum FileTrouble {
    Helm(HelmError),
    Content(String),
}

impl From<HelmError> for FileTrouble {
    fn from(error: HelmError) -> Self {
        FileTrouble::Helm(error)
    }
}

fn in_file(upgrade: &Upgrade, file: &str, error: FileTrouble) -> HelmError {
    match error {
        FileTrouble::Helm(error) => error,
        FileTrouble::Content(reason) => bad(upgrade, &format!("`{file}`: {reason}")),
    }
}

fn bad(upgrade: &Upgrade, reason: &str) -> HelmError {
    HelmError::BadValues { release: upgrade.release.to_string(), reason: reason.into() }
}

/// A layer is a map; an empty file is an empty one.
fn map(layer: Result<Value, String>) -> Result<Value, String> {
    match layer? {
        Value::Null => Ok(Value::Object(Map::new())),
        value @ Value::Object(_) => Ok(value),
        Value::Array(_) => Err("a list is no map of values".into()),
        _ => Err("a single value is no map of values".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_layer_is_a_map_or_nothing() {
        assert_eq!(map(Ok(Value::Null)).unwrap(), json!({}));
        assert_eq!(map(Ok(json!({"a": 1}))).unwrap(), json!({"a": 1}));
        assert!(map(Ok(json!([1]))).is_err() && map(Ok(json!("x"))).is_err());
    }
}
