//! What a chart would be now, with these values: rendered by helm against the cluster, nothing written. Where helm
//! cannot, it is found out whether chart, template or cluster is to blame, by asking again rather than by its words.

use super::command::{self, UpgradeOptions};
use super::driver::Helm;
use super::error::{HelmError, said};
use super::manifest::{self, Object};
use super::release::{Hook, Metadata, Record, ReleaseName};
use crate::cluster::ClusterError;
use crate::process::ProcessError;
use serde_json::Value;

/// A rendered chart.
#[derive(Clone, Debug, Default)]
pub struct Rendered {
    pub objects: Vec<Object>,
    pub hooks: Vec<Hook>,
    /// The values as helm understood them.
    pub config: Value,
    /// What the chart says of itself, where helm told.
    pub chart: Option<Metadata>,
    /// Whether helm (4) will apply it server-side.
    pub server_side: bool,
    /// What helm warned of: values that it could not use, a chart that is deprecated.
    pub warnings: Vec<String>,
}

impl Helm<'_> {
    /// Renders on top of a revision (0 where there is none); `unfinished` where helm holds that for unfinished. What was rendered
    /// as lately as the options say is taken as it is.
    pub async fn render(
        &self,
        release: &ReleaseName,
        options: &UpgradeOptions,
        values: &Value,
        revision: i64,
        unfinished: bool,
    ) -> Result<Rendered, HelmError> {
        let chart = options.chart_ref();
        let args = if unfinished { command::render_unfinished(release, &chart) } else { command::render(release, &chart) };
        match self.read_or_take(args, values, revision, options.rendered_within.map(|span| span.0)).await {
            Ok(output) => {
                let rendered = if unfinished { text(&options.chart, &output.text(), values) } else { json(&options.chart, &output.stdout) };
                rendered.map(|rendered| Rendered { warnings: warnings(&output.stderr), ..rendered })
            }
            Err(ProcessError::Failed { stderr, .. }) => self.find_fault(release, options, values, said(&stderr)).await,
            Err(error) => Err(error.into()),
        }
    }

    /// Why helm could not render: the chart is not there, a template stumbles, or the cluster does not take it.
    /// Only kinds that the chart itself brings (its CRDs) are no reason: then it is rendered without the cluster.
    async fn find_fault(
        &self,
        release: &ReleaseName,
        options: &UpgradeOptions,
        values: &Value,
        first: String,
    ) -> Result<Rendered, HelmError> {
        let chart = options.chart_ref();
        if let Err(ProcessError::Failed { stderr, .. }) = self.read(command::show_chart(&chart), None).await {
            return Err(HelmError::ChartNotFound {
                chart: chart.chart.clone(),
                reason: said(&stderr),
                help: self.how_to_find(&chart.chart),
            });
        }
        match self.read(command::render_alone(release, &chart), Some(values)).await {
            Err(ProcessError::Failed { stderr, .. }) => Err(HelmError::RenderFailed { chart: chart.chart, reason: said(&stderr) }),
            Err(error) => Err(error.into()),
            Ok(output) => {
                let rendered = text(&chart.chart, &output.text(), values)?;
                // A cluster that cannot be reached says so itself, and better.
                self.lacks_namespace(release).await?;
                let acceptable = self.brings_its_kinds(&rendered).await?;
                if acceptable { Ok(rendered) } else { Err(HelmError::Rejected { chart: chart.chart, reason: first }) }
            }
        }
    }

    /// Whether the chart has objects of kinds that are unknown so far, and brings every one of these kinds, or an
    /// earlier change of this dry run may.
    async fn brings_its_kinds(&self, rendered: &Rendered) -> Result<bool, HelmError> {
        let brought = |object: &Object| {
            let definitions = rendered.objects.iter().filter(|object| object.kind == "customresourcedefinition");
            let kinds = definitions.map(|definition| definition.value["spec"]["names"]["kind"].as_str().unwrap_or_default().to_lowercase());
            kinds.into_iter().any(|kind| kind == object.kind)
        };
        let mut unknown = 0;
        for object in &rendered.objects {
            match self.cluster.kind(&object.word()).await {
                Err(ClusterError::UnknownKind { .. }) if brought(object) || (self.host.dry_run() && !self.host.plan.is_empty()) => {
                    unknown += 1;
                }
                Err(ClusterError::UnknownKind { .. }) => return Ok(false),
                known => drop(known?),
            }
        }
        Ok(unknown > 0)
    }

    fn how_to_find(&self, chart: &str) -> String {
        let root = self.host.files.root().display();
        match chart.split_once('/') {
            Some((repository, _)) if is_repository(repository, chart) && !self.host.files.path(repository).exists() => {
                format!(
                    "`helm repo add {repository} URL` makes the repository known, `helm repo update` its newer charts; a path starts at `{root}`"
                )
            }
            _ => format!("a path starts at `{root}`; an address starts with `oci://`"),
        }
    }
}

fn is_repository(word: &str, chart: &str) -> bool {
    !word.is_empty() && !word.starts_with(['.', '~']) && !chart.contains("://") && chart.matches('/').count() == 1
}

fn json(chart: &str, output: &[u8]) -> Result<Rendered, HelmError> {
    let failed = |reason: String| HelmError::RenderFailed { chart: chart.into(), reason };
    let record: Record = serde_json::from_slice(output).map_err(|error| failed(format!("helm's answer is not understood: {error}")))?;
    let (objects, _) = manifest::parse(&record.manifest).map_err(failed)?;
    Ok(Rendered {
        objects,
        hooks: record.hooks.unwrap_or_default(),
        config: record.config.unwrap_or_default(),
        chart: Some(record.chart.metadata),
        server_side: record.apply_method.as_deref() == Some("ssa"),
        warnings: Vec::new(),
    })
}

/// The lines of helm's talk that warn, without where in helm they come from; how a kubeconfig's file mode is does not
/// concern a release.
fn warnings(stderr: &str) -> Vec<String> {
    let about =
        |line: &str| Some(line.split_once("warning: ").or_else(|| line.split_once("WARNING: "))?.1.trim_end_matches('"').to_owned());
    let mut found: Vec<String> =
        stderr.lines().filter_map(about).filter(|text| !text.starts_with("Kubernetes configuration file")).collect();
    found.dedup();
    found
}

fn text(chart: &str, output: &str, values: &Value) -> Result<Rendered, HelmError> {
    let (objects, hooks) = manifest::parse(output).map_err(|reason| HelmError::RenderFailed { chart: chart.into(), reason })?;
    Ok(Rendered { objects, hooks, config: values.clone(), ..Rendered::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_helm_warns_of_is_passed_on() {
        let three = "coalesce.go:316: warning: cannot overwrite table\nWARNING: Kubernetes configuration file is group-readable.\n";
        assert_eq!(warnings(three), ["cannot overwrite table"]);
        assert_eq!(warnings("level=INFO msg=\"warning: cannot overwrite table\"\nlevel=INFO msg=x\n"), ["cannot overwrite table"]);
    }

    #[test]
    fn helms_json_gives_objects_hooks_and_how_it_applies() {
        let output = serde_json::json!({"manifest": "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\n", "apply_method": "ssa",
            "hooks": [{"name": "h", "kind": "Job", "events": ["pre-upgrade"]}], "config": {"a": 1}, "chart": {"metadata": {"name": "c", "version": "1"}}});
        let rendered = json("c", output.to_string().as_bytes()).unwrap();
        assert_eq!((rendered.objects.len(), rendered.hooks[0].name.as_str(), rendered.server_side), (1, "h", true));
        assert!(json("c", b"no json").is_err());
    }
}
