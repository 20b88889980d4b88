#!/usr/bin/env bash
# ci/cluster-kills.sh [FAULTS]: three nodes of a cluster over three NATS servers, 12 faults under load, and every count compared
# afterwards. Takes about four minutes. ci/cluster/check.sh has the variables.
set -euo pipefail
exec "$(dirname "$0")/cluster/check.sh" kills --faults "${1:-12}"
