# PicPick: build, test and try it out. `make` alone lists the targets.
#
# Everything is compiled with the release profile and into one folder outside the checkout, so that
# RocksDB, which takes minutes, is compiled once: for build, lints, tests and documentation alike,
# and for every later checkout. Cargo's own locks keep checkouts that share the folder apart.

ifeq ($(filter oneshell,$(.FEATURES)),)
$(error this Makefile needs GNU Make 3.82 or newer)
endif

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help deps build models demo test fuzz fmt bench-accuracy clean-demo lint-tools
MAKEFLAGS += --no-builtin-rules --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/picpick
TOOLS := $(CACHE)/tools
CARGO_TARGET_DIR ?= $(CACHE)/target
PICPICK_DEMO_DIR ?= $(CACHE)/demo
# The model packs that the tests read.
PACKS := yunet-sface centerface-mobilefacenet
CARGO_DENY_VERSION := 0.20.2
CARGO_FUZZ_VERSION := 0.13.2
# Of `make fuzz`: which target, and for how long.
TARGET ?= image
SECONDS ?= 3600

# A shell that has not read rustup's profile still finds cargo.
PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export CACHE TOOLS CARGO_TARGET_DIR PICPICK_DEMO_DIR PATH

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{ printf "  make %-16s %s\n", $$1, $$2 }' Makefile

deps: ## install what the build needs and this machine lacks (Debian, Ubuntu), or name it
	@missing="" packages=""
	need() { # need WHAT DEBIAN-PACKAGE TEST...: notes WHAT as missing when TEST fails
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
	# Debian keeps the server's programs out of the path, in a folder for each version.
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
	    echo "Install these with this system's package manager (in Debian's names:$$packages), then run this again."
	    exit 1
	  fi
	  as_root=""
	  if [ "$$(id -u)" != 0 ]; then
	    as_root=sudo
	    command -v sudo >/dev/null || { echo "Neither root nor sudo: have 'apt-get install$$packages' run as root, then run this again."; exit 1; }
	  fi
	  apt() { $$as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$$@" </dev/null; }
	  echo "Installing with apt-get:$$packages"
	  apt update || echo "apt-get update failed; trying with the package lists at hand."
	  if ! apt install -y --no-install-recommends $$packages; then
	    echo "apt-get install failed: have 'apt-get install$$packages' run as root, then run this again."
	    exit 1
	  fi
	fi
	command -v cargo >/dev/null || { echo "Missing: Rust. Install it as https://rustup.rs says, then run this again."; exit 1; }

build: deps ## compile the two programs, picpick and picpick-bench
	@cargo build --release --locked -p picpick-server -p picpick-bench

models: build ## fetch the models that the tests read
	@for pack in $(PACKS); do "$$CARGO_TARGET_DIR/release/picpick" models fetch --pack "$$pack"; done
	@"$$CARGO_TARGET_DIR/release/picpick" models fetch --liveness

demo: build ## index sample photos, search them, print the table and the contact sheet's path
	@exec "$$CARGO_TARGET_DIR/release/picpick" demo --data "$$PICPICK_DEMO_DIR" </dev/null

# One recipe, cheapest checks first, so that the order holds and the first failure stops it.
test: deps lint-tools ## format, lints, licences, tests and documentation; what CI runs
	@step() { printf '\n== %s\n' "$$*"; "$$@"; }
	step cargo fmt --all --check
	# Fetching covers the packages of other systems too: cargo-deny reads the licences of them all.
	step cargo fetch --locked
	checks="bans licenses sources"
	if [ -d "$${CARGO_HOME:-$$HOME/.cargo}/advisory-dbs" ]; then
	  checks+=" advisories"
	else
	  printf '\nAdvisories are left out: there is no advisory database here ("cargo deny fetch db" gets one).\n'
	fi
	step "$$TOOLS/bin/cargo-deny" --locked --offline check $$checks
	step cargo clippy --release --locked --workspace --all-targets -- -D warnings
	step cargo build --release --locked -p picpick-server -p picpick-bench
	for pack in $(PACKS); do step "$$CARGO_TARGET_DIR/release/picpick" models fetch --pack "$$pack"; done
	step "$$CARGO_TARGET_DIR/release/picpick" models fetch --liveness
	step cargo test --release --locked --workspace
	step env RUSTDOCFLAGS="-D warnings" cargo doc --release --locked --workspace --no-deps --document-private-items

# cargo-deny runs for a second, so it is compiled without the whole-program optimisation that its
# authors release it with: that saves a minute or more on a new machine.
lint-tools: deps
	@cargo fmt --version >/dev/null 2>&1 || rustup component add rustfmt
	cargo clippy --version >/dev/null 2>&1 || rustup component add clippy
	if [ "$$("$$TOOLS/bin/cargo-deny" --version 2>/dev/null)" != "cargo-deny $(CARGO_DENY_VERSION)" ]; then
	  echo "Installing cargo-deny $(CARGO_DENY_VERSION) into $$TOOLS"
	  # Its own build folder: a temporary one, removed when it is done.
	  env -u CARGO_TARGET_DIR CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
	    cargo install cargo-deny --version $(CARGO_DENY_VERSION) --locked --root "$$TOOLS"
	fi

# On stable Rust: without a sanitizer cargo-fuzz needs coverage counters only, which stable compiles.
# RocksDB and its like are linked as `make build` compiled them, for what is fuzzed is Rust's parsers.
# What is found lands in tests/fuzz/artifacts, what was learnt stays in the cache for the next time.
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

clean-demo: ## remove the demo's data; models and compiled code stay
	@rm -rf -- "$${PICPICK_DEMO_DIR:?}"
