#!/usr/bin/env bash
# ci/cluster-faults.sh [ROWS]: measures what each fault costs the clients of a cluster that has 1,000,000 rows in its log, and
# compares every count afterwards. Takes about seven minutes. ci/cluster/check.sh has the variables. Needs Debian's package
# `faketime` for nodes with a wrong clock.
set -euo pipefail
exec "$(dirname "$0")/cluster/check.sh" faults --rows "${1:-1000000}"
