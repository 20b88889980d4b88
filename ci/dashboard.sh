#!/usr/bin/env bash
# Tests the modules of the dashboard that need no browser, with Node's own test runner (Node 20 or later).
set -euo pipefail
cd "$(dirname "$0")/.."
node --test dashboard/tests/
