# The menu. Anything cleverer lives in firedrill itself or in .ci/.
.PHONY: help drill report catalogue packs soak test lint bench peers fidelity build dist clean

SPEED ?= auto
SEEDS ?= 12

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

drill: ## replay the flagship incidents on private Redis servers and write the HTML report
	@.ci/install redis-server
	cargo build --release --locked -p firedrill
	@"$${CARGO_TARGET_DIR:-target}/release/firedrill" run --no-gate --speed $(SPEED) @flagship || [ $$? -le 3 ] # the scorecard says it all

report: build ## the gallery in docs/ from fresh drills, with screenshots where there is a Chromium
	.ci/gallery

catalogue: build ## replay every scenario live, and on the virtual engine under 100 seeds each
	@.ci/install redis-server
	@"$${CARGO_TARGET_DIR:-target}/release/firedrill" run --no-gate --speed $(SPEED) @all || [ $$? -le 3 ] # the scorecard says it all
	@"$${CARGO_TARGET_DIR:-target}/release/firedrill" run --no-gate --engine virtual --trials 100 @all

packs: ## the rule packs under SEEDS seeds, at half and twice the traffic and in every world; half of it held out
	cargo run --release --locked -p firedrill-benches --bin packs -- $(SEEDS)

fidelity: build ## both engines on every scenario, and the differences
	.ci/fidelity runs @all

build: ## the release binary: target/release/firedrill
	cargo build --release --locked -p firedrill

dist: ## the fastest binary, which takes longest to build: target/dist/firedrill
	cargo build --profile dist --locked -p firedrill

# Live drills mostly wait, so more tests run at a time than there are processors.
test: ## all tests; needs redis-server, promtool and go
	cargo test --workspace --locked -- --test-threads=$$((2 * $$(nproc)))

lint: ## format, clippy, vet, docs
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.ci/go
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked -q

bench: ## criterion benchmarks, and our throughput beside Go asynq's and Redis' limit: benches/RESULTS.md
	cargo bench --locked -p firedrill-benches
	benches/peers/throughput

peers: ## the simulators and promtool beside ours: speeds and ratios
	benches/peers/compare

clean: ## end what a killed drill left behind, then remove build output
	-"$${CARGO_TARGET_DIR:-target}/release/firedrill" clean
	cargo clean
