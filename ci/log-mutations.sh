#!/usr/bin/env bash
# Shows that the tests of the log can fail: every recorded mutation of the log or of the engine under it is caught.
set -euo pipefail
exec "$(dirname "$0")/mutations.sh" weir-log crates/log "$@"
