#!/usr/bin/env bash
# Shows that the shuttle scenarios can fail: every recorded mutation is caught, and every scenario catches at least one.
set -euo pipefail
exec "$(dirname "$0")/mutations.sh" shuttle-tests shuttle-tests "$@"
