#!/usr/bin/env bash
# Shows that the loom models can fail: every recorded mutation is caught, and every model catches at least one.
set -euo pipefail
exec "$(dirname "$0")/mutations.sh" loom-tests loom-tests "$@"
