#!/usr/bin/env bash
# Runs the tests under AddressSanitizer, with leak detection. WEIR_STRESS_SECS is the length of the stress test (default:
# 30 s).
set -euo pipefail
cd "$(dirname "$0")/.."

export ASAN_OPTIONS=detect_leaks=1
source ci/sanitize.sh
sanitize address asan 'ERROR: (Address|Leak)Sanitizer'
