#!/usr/bin/env bash
# Shows that the shuttle scenarios can fail: every recorded mutation is caught, and every scenario has caught one.
set -euo pipefail
exec "$(dirname "$0")/mutations.sh" shuttle-tests "$@"
