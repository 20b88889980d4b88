#!/usr/bin/env bash
# Shows that the shuttle scenarios can fail: every recorded mutation is caught, and every scenario catches at least one.
# With names, only these mutations of the engine are tried.
set -euo pipefail
ci=$(dirname "$0")
"$ci/mutations.sh" shuttle-tests shuttle-tests "$@"
[ $# -gt 0 ] || "$ci/mutations.sh" shuttle-tests-log shuttle-tests/log
