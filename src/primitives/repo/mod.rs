//! What a script may say about the sibling checkouts: their files, their state, and commits on a branch of railrun's own.

mod commit;
mod driver;
mod error;
mod makefile;

use crate::effect::Change;
use crate::files::Files;
use crate::host::Host;
use crate::script::{Fault, Pending, Primitive, RhaiResultOf, Verb, bind, host_of, read as look, read_value, value};
use commit::Request;
use driver::{Checkout, Repo};
use makefile::Target;
use rhai::plugin::{Dynamic, NativeCallContext, export_module, exported_module};
use rhai::{Array, ImmutableString, Map};

/// The branch for commits, where `repo.branch` is not set.
const BRANCH: &str = "railrun/workplan";

#[export_module]
mod verbs {
    /// Opens a checkout: by its name among the settings `checkouts`, or by its folder.
    ///
    /// ```rhai
    /// let cluster = repo::open("cluster");
    /// ```
    #[rhai_fn(volatile, return_raw)]
    pub fn open(ctx: NativeCallContext, checkout: &str) -> RhaiResultOf<Dynamic> {
        read_value(&ctx, &[], |host| {
            let folder = host.settings.text(&format!("checkouts.{checkout}")).unwrap_or_else(|_| checkout.to_owned());
            let repo = host.wait::<_, _, Fault>(Repo::open(&host.process, &host.files, &folder, checkout))?;
            Ok(Dynamic::from(repo.checkout))
        })
    }

    /// Whether the checkout has this file.
    ///
    /// ```rhai
    /// if !repo::open("apps").exists("helm/gitea-values.sops.yaml") { note("it has not moved yet"); }
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn exists(ctx: NativeCallContext, checkout: &mut Checkout, file: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[&resource(&ctx, checkout, file)], |host| Ok(on(host, checkout).exists(file)?))
    }

    /// A text file of the checkout.
    ///
    /// ```rhai
    /// expect(repo::open("cluster").read("Makefile").contains("smoke:"), true);
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn read(ctx: NativeCallContext, checkout: &mut Checkout, file: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[&resource(&ctx, checkout, file)], |host| Ok(on(host, checkout).read(file)?))
    }

    /// A text file as the last commit has it.
    ///
    /// ```rhai
    /// let cluster = repo::open("cluster");
    /// cluster.write("helm/gitea-values.sops.yaml", cluster.committed("helm/gitea-values.sops.yaml"));
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn committed(ctx: NativeCallContext, checkout: &mut Checkout, file: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[&last_commit(checkout)], |host| host.wait::<_, _, Fault>(on(host, checkout).committed(file)))
    }

    /// Whether every tracked file is as the last commit has it.
    ///
    /// ```rhai
    /// if !repo::open("cluster").clean() { throw "commit or stash what is changed there"; }
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn clean(ctx: NativeCallContext, checkout: &mut Checkout) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| host.wait::<_, _, Fault>(on(host, checkout).clean()))
    }

    /// The id of the last commit.
    ///
    /// ```rhai
    /// note("the cluster checkout is at " + repo::open("cluster").head());
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn head(ctx: NativeCallContext, checkout: &mut Checkout) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| match host.plan.touched_by(&[last_commit(checkout)]) {
            Some(after) if host.dry_run() => Err(Pending::new(after).into()),
            _ => host.wait::<_, _, Fault>(on(host, checkout).head()),
        })
    }

    /// The branch that is checked out; an empty text where it is none.
    ///
    /// ```rhai
    /// expect(repo::open("cluster").branch(), "main");
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn branch(ctx: NativeCallContext, checkout: &mut Checkout) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| Ok(host.wait::<_, _, Fault>(on(host, checkout).branch())?.unwrap_or_default()))
    }

    /// Whether another branch than the one that is checked out has its last commit too, here or at a remote.
    ///
    /// ```rhai
    /// let cluster = repo::open("cluster");
    /// if !cluster.merged() { note(`${cluster.branch()} waits to be merged`); }
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn merged(ctx: NativeCallContext, checkout: &mut Checkout) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| host.wait::<_, _, Fault>(on(host, checkout).merged()))
    }

    /// Whether a commit could be made now: nothing is changed, a branch is checked out, no merge or rebase is under
    /// way. What is in the way is thrown.
    ///
    /// ```rhai
    /// if repo::open("cluster").ready() { note("the values file can be committed"); }
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn ready(ctx: NativeCallContext, checkout: &mut Checkout) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| {
            let repo = on(host, checkout);
            host.wait::<_, _, Fault>(repo.may_commit(&own_branch(host)))?;
            host.wait::<_, _, Fault>(repo.refuse_others(&[]))?;
            Ok(true)
        })
    }

    /// The same, where these files may be changed already: a commit of them follows.
    ///
    /// ```rhai
    /// if repo::open("cluster").ready(["helm/gitea-values.sops.yaml"]) { note("it can be committed"); }
    /// ```
    #[rhai_fn(global, name = "ready", volatile, return_raw)]
    pub fn ready_but_for(ctx: NativeCallContext, checkout: &mut Checkout, files: Array) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| {
            let repo = on(host, checkout);
            let files = files.iter().map(|file| repo.path(&file.to_string())).collect::<Result<Vec<_>, _>>()?;
            host.wait::<_, _, Fault>(repo.may_commit(&own_branch(host)))?;
            host.wait::<_, _, Fault>(repo.refuse_others(&files))?;
            Ok(true)
        })
    }

    /// Writes a text file of the checkout; one that holds this text already stays untouched.
    ///
    /// ```rhai
    /// repo::open("cluster").write("helm/MOVED.md", "Gitea's values are in railiance-apps now.\n");
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn write(ctx: NativeCallContext, checkout: &mut Checkout, file: &str, text: &str) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let repo = on(host, checkout);
            let what = Change::new("repo write", target(checkout, file)).touching(resource(&ctx, checkout, file));
            host.change(what, || Ok(repo.preview_write(file, text)?), |permit, _| Ok(repo.write(permit, file, text)?))
        })
    }

    /// Removes a text file of the checkout, if it is there.
    ///
    /// ```rhai
    /// repo::open("cluster").remove("helm/gitea-values.sops.yaml");
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn remove(ctx: NativeCallContext, checkout: &mut Checkout, file: &str) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let repo = on(host, checkout);
            let what = Change::new("repo remove", target(checkout, file)).touching(resource(&ctx, checkout, file));
            host.change(what, || Ok(repo.preview_remove(file)?), |permit, _| Ok(repo.remove(permit, file)?))
        })
    }

    /// Writes a file as another checkout has it, with its mode. Removing it there is another verb; `origin` says for the
    /// commit's message where it came from.
    ///
    /// ```rhai
    /// repo::open("apps").take(repo::open("cluster"), "helm/gitea-values.sops.yaml", "helm/gitea-values.sops.yaml");
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn take(ctx: NativeCallContext, checkout: &mut Checkout, other: Checkout, file: &str, to: &str) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let (repo, from) = (on(host, checkout), on(host, &other));
            let what = Change::new("repo take", target(checkout, to)).touching(resource(&ctx, checkout, to));
            let preview = || Ok::<_, Fault>(repo.preview_write(to, &from.read(file)?)?);
            host.change(what, preview, |permit, _| Ok(repo.take(permit, &from, file, to)?))
        })
    }

    /// Where a file comes from that another checkout takes, as words for the commit there: `from NAME/FILE, last changed
    /// there in COMMIT TITLE`. As true once the file has been removed here, until that is committed.
    ///
    /// ```rhai
    /// note("the values are " + repo::open("cluster").origin("helm/gitea-values.sops.yaml"));
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn origin(ctx: NativeCallContext, checkout: &mut Checkout, file: &str) -> RhaiResultOf<Dynamic> {
        look(&ctx, &[], |host| host.wait::<_, _, Fault>(on(host, checkout).origin(file)))
    }

    /// Sets a target of a Makefile: replaced where it is, added beside its kin (`gitea-…`) where it is not, and declared
    /// phony. Options: `help`, `needs` (targets), `recipe` (its lines, without the tab).
    ///
    /// ```rhai
    /// repo::open("apps").set_target("Makefile", "gitea-status", #{ help: "Show Gitea's pods", recipe: ["kubectl get pods -n apps"] });
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn set_target(ctx: NativeCallContext, checkout: &mut Checkout, file: &str, name: &str, options: Map) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let (repo, options): (_, Target) = (on(host, checkout), value::options(options)?);
            let text = repo.with_target(file, name, &options)?;
            let what =
                Change::new("repo set_target", format!("{}#{name}", target(checkout, file))).touching(resource(&ctx, checkout, file));
            host.change(what, || Ok(repo.preview_write(file, &text)?), |permit, _| Ok(repo.write(permit, file, &text)?))
        })
    }

    /// Commits these files and nothing else, on the branch of the setting `repo.branch` (`railrun/workplan`), which is
    /// made from the last commit where it is new. Gives `#{ id, branch }`. It never pushes, and refuses when another
    /// tracked file is changed, no branch is checked out, or a merge or rebase is under way.
    ///
    /// ```rhai
    /// repo::open("cluster").commit("gitea: use the platform's database", ["helm/gitea-values.sops.yaml"]);
    /// ```
    #[rhai_fn(global, volatile, return_raw)]
    pub fn commit(ctx: NativeCallContext, checkout: &mut Checkout, message: &str, files: Array) -> RhaiResultOf<Dynamic> {
        bind(&ctx, |host| {
            let request = Request { message: message.to_owned(), files: names(&files)?, branch: own_branch(host) };
            let repo = on(host, checkout);
            host.change(
                Change::new("repo commit", checkout.name.clone()).touching(last_commit(checkout)),
                || host.wait(repo.preview_commit(&request)),
                |permit, _| host.wait(repo.commit(permit, &request)),
            )
        })
    }
}

fn on<'h>(host: &'h Host, checkout: &Checkout) -> Repo<'h> {
    Repo::new(&host.process, &host.files, checkout.clone())
}

fn own_branch(host: &Host) -> String {
    host.settings.text("repo.branch").unwrap_or_else(|_| BRANCH.into())
}

fn names(files: &Array) -> Result<Vec<String>, Fault> {
    let wrong =
        |file: &Dynamic| value::ValueError::Option { message: format!("a file's name is expected, not {}", value::kind(file)), help: None };
    let name = |file: &Dynamic| file.read_lock::<ImmutableString>().map(|name| name.to_string()).ok_or_else(|| wrong(file).into());
    files.iter().map(name).collect()
}

fn target(checkout: &Checkout, file: &str) -> String {
    format!("{}/{file}", checkout.name)
}

/// How a plan names a file of a checkout: the same as the verbs that read it by its path.
fn resource(ctx: &NativeCallContext, checkout: &Checkout, file: &str) -> String {
    Files::resource(&host_of(ctx).files.path(&checkout.folder.join(file).to_string_lossy()))
}

fn last_commit(checkout: &Checkout) -> String {
    format!("commit {}", checkout.folder.display())
}

pub fn primitive() -> Primitive {
    let reads = ["open", "exists", "read", "committed", "clean", "head", "branch", "merged", "ready", "origin"].map(Verb::read);
    let states = ["write", "remove", "take", "commit"].map(Verb::state);
    let states = states.into_iter().chain([Verb::state("set_target").options::<Target>()]);
    Primitive {
        name: "repo",
        module: exported_module!(verbs),
        verbs: reads.into_iter().chain(states).collect(),
        types: |engine| {
            engine.register_type_with_name::<Checkout>("checkout");
        },
    }
}

#[cfg(test)]
mod tests;
