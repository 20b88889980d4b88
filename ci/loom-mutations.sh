#!/usr/bin/env bash
# Shows that the loom models can fail: every recorded mutation is caught, and every model has caught one.
set -euo pipefail
exec "$(dirname "$0")/mutations.sh" loom-tests "$@"
