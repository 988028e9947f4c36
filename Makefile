# The two commands of the README, and what CI and developers run.
CARGO ?= cargo
CONFORMANCE_DIR ?= $(abspath ../shared)
export CONFORMANCE_DIR

.PHONY: up build test lint bench conformance ui

## up: build and start everything on this machine, on loopback
up: build
	./target/release/gauntlet up

build:
	$(CARGO) build --release -p gauntlet

## test: every test of the workspace
test:
	$(CARGO) test --workspace --no-fail-fast

## lint: formatting, clippy and rustdoc with warnings denied, house rules
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	$(CARGO) xtask tidy

## bench: microbenches, and our side of the comparisons
bench:
	$(CARGO) bench --workspace --benches
	$(CARGO) xtask versus head
	$(CARGO) xtask versus query

## conformance: the peers' test data, with totals
conformance:
	$(CARGO) xtask conformance
