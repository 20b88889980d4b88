#!/usr/bin/env bash
# The tests under AddressSanitizer, leaks included. WEIR_STRESS_SECS is the length of the stress test, 30 unless set.
set -euo pipefail
cd "$(dirname "$0")/.."

export ASAN_OPTIONS=detect_leaks=1
source ci/sanitize.sh
sanitize address asan 'ERROR: (Address|Leak)Sanitizer'
