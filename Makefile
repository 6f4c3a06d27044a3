# Two commands: `make run` starts a living city, `make test` proves the house. Both install what they miss.
# Every cargo command names the whole workspace: a part of it would select other features of shared build dependencies, and
# RocksDB would be compiled a second time.
.PHONY: run test setup setup-test build check screen bench kill-long fuzz clean-data

SHELL := /bin/bash
ENV := target/tools/env
WITH_ENV := source $(ENV) &&

run: setup ## station + simulator's city + screen; Ctrl-C stops both
	@$(WITH_ENV) cargo build --release --workspace
	@deploy/dev/run.sh

test: setup-test ## everything that CI runs
	@$(WITH_ENV) deploy/dev/test.sh

setup: ## libclang for RocksDB's binding: a system package where root, else from the Python registry
	@deploy/dev/setup.sh build

setup-test: ## and what the tests need: mosquitto_pub, a browser, the screen's packages
	@deploy/dev/setup.sh test

build: setup
	@$(WITH_ENV) cargo build --release --workspace

screen: ## builds the screen's bundle anew (commit crates/command-centre/screen/dist)
	cd crates/command-centre/screen && npm ci --no-audit --no-fund && npm run build

bench: setup ## the whole system under open-loop load, then the parts; writes bench/report.md
	@$(WITH_ENV) deploy/dev/bench.sh

kill-long: setup ## kill -9 under load, 1,000 rounds
	@$(WITH_ENV) FENGHUO_KILL_ROUNDS=$${FENGHUO_KILL_ROUNDS:-1000} cargo test --release --workspace --test it -- kill --nocapture

fuzz: setup ## every decoder and live connections, 10 million inputs a target (hours); FENGHUO_FUZZ_INPUTS for fewer
	@$(WITH_ENV) FENGHUO_FUZZ_INPUTS=$${FENGHUO_FUZZ_INPUTS:-10000000} cargo test --release --workspace -- fuzz

clean-data: ## forgets the city of `make run`
	rm -rf data
