#!/usr/bin/env bash
# ci/cluster-rolling.sh [ROUNDS]: restarts each node of a cluster in turn, twice, under load through HAProxy. No request fails
# beyond its retries, and every count is exact. ci/cluster/check.sh has the variables. Needs Debian's package `haproxy`.
set -euo pipefail
exec "$(dirname "$0")/cluster/check.sh" rolling --rounds "${1:-2}"
