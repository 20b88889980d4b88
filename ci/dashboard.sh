#!/usr/bin/env bash
# The units of the dashboard's page that need no browser, by node's own test runner (node 20 or later).
set -euo pipefail
cd "$(dirname "$0")/.."
node --test dashboard/tests/
