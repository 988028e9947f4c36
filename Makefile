# The two commands of the README, and what CI and developers run.
CARGO ?= cargo
CONFORMANCE_DIR ?= $(abspath ../shared)
export CONFORMANCE_DIR

.PHONY: up build test lint bench conformance ui

## up: build and start everything on this machine, on loopback
up: build
	./target/release/gauntlet up

build: ui
	$(CARGO) build --release -p gauntlet

## ui: build the web app, which the binary embeds; without npm the binary serves a plain page instead
UI_SOURCES := $(shell find ui -path ui/node_modules -prune -o -path ui/dist -prune -o -path ui/e2e -prune -o -type f -print)
ui: ui/dist/index.html
ui/dist/index.html: $(UI_SOURCES)
	@if command -v npm >/dev/null; then cd ui && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build; \
	else echo "npm is not installed: building without the web app"; fi

## e2e: the web app in Chromium, against the binary and against a server with much of everything
.PHONY: e2e
e2e: ui
	$(CARGO) build -p gauntlet
	cd ui && GAUNTLET_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target)/debug/gauntlet) npm run --silent e2e

## test: every test of the workspace
test: ui
	cd ui && if [ -d node_modules ]; then npm test --silent; fi
	$(CARGO) test --workspace --no-fail-fast

## lint: formatting, clippy and rustdoc with warnings denied, house rules
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) xtask tidy

## bench: microbenches, and our side of the comparisons
bench: build
	$(CARGO) bench --workspace --benches
	$(CARGO) run --release --quiet --package xtask -- versus head --rounds 1
	$(CARGO) run --release --quiet --package xtask -- versus query --rounds 1
	$(CARGO) run --release --quiet --package xtask -- versus node --rounds 1

## conformance: the peers' test data, with totals
conformance:
	$(CARGO) xtask conformance
