# Two commands do everything: `make demo` and `make test`. Targets of the platform follow those of the project.
SHELL := /bin/bash
.DEFAULT_GOAL := help
RAILRUN ?= target/debug/railrun
SANDBOX := tests/sandbox/sandbox
WITH_SANDBOX := eval "$$($(SANDBOX) env)" &&

.PHONY: help demo test test-long check bench build sandbox sandbox-down pg-deploy pg-status valkey-deploy valkey-status smoke test-ha-failover backup docs

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 16

demo: sandbox build ## Bring up the sandbox and move a real Gitea onto a real PostgreSQL cluster
	@$(WITH_SANDBOX) tests/sandbox/demo $(RAILRUN)

test: ## Everything that must hold; brings up what it needs
	@tests/run fast

test-long: ## The long sweeps; prints their figures
	@tests/run long

check: ## Format, lints, documentation up to date; licences where cargo-deny is installed
	@if command -v cargo-deny >/dev/null; then cargo deny check bans licenses sources; else echo 'cargo-deny is not installed: licences were not looked at' >&2; fi
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo run --quiet -- check
	cargo run --quiet -- docs --markdown | diff - docs/reference.md

bench: build ## Figures as ratios against peers in the same run
	@$(WITH_SANDBOX) tests/bench/run

build:
	@tests/sandbox/sandbox setup
	cargo build --quiet

docs: build ## Write docs/reference.md anew from the verbs' own documentation
	$(RAILRUN) docs --markdown > docs/reference.md

sandbox: ## A real one-node Kubernetes with Gitea in the workplan's starting state
	@$(SANDBOX) start

sandbox-down: ## Stop the sandbox; its data stays, nothing else does
	@$(SANDBOX) down

# The platform's own targets, as the workplan has them; they take `make RAILRUN=railrun …` where it is installed.
pg-deploy pg-status valkey-deploy valkey-status smoke test-ha-failover backup: $(filter target/%,$(RAILRUN))

target/debug/railrun:
	cargo build --quiet

pg-deploy: ## Deploy the standalone PostgreSQL HA (task T01)
	$(RAILRUN) run t01

pg-status: ## Show the pods of PostgreSQL HA
	$(RAILRUN) scripts/pg-status.rhai

valkey-deploy: ## Deploy the standalone Valkey and move Gitea onto it (task T06)
	$(RAILRUN) run t06

valkey-status: ## Show how Valkey is
	$(RAILRUN) scripts/valkey-status.rhai

smoke: ## Check that the platform answers
	$(RAILRUN) scripts/smoke.rhai

# Whoever asks for the test wants it made, whatever was measured before.
test-ha-failover: ## Break PostgreSQL HA in every way and measure it anew, task T04 (GITEA_URL=...)
	$(RAILRUN) run t04 --set ha.max_age=1m $(if $(GITEA_URL),--set gitea.url=$(GITEA_URL))

backup: ## Back up the platform's databases, age-encrypted, and verify the upload
	$(RAILRUN) scripts/backup.rhai
