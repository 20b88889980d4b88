#!/usr/bin/env bash
# Installs a Debian package into a new, minimal Debian, runs the service as its unit says, sends an event, and removes
# the package again. systemd is not process 1 in that Debian, so the script itself reads the unit.
# Needs root. Usage: ci/package/deb-test.sh FILE.deb
set -euo pipefail
cd "$(dirname "$0")/../.."
. ci/package/serve-test.sh

root=$work/root
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
mmdebstrap --quiet --variant=minbase --include=adduser,man-db,systemd "$suite" "$root"
in_root() { chroot "$root" "$@"; }
cp "$1" "$root/weir.deb"
in_root dpkg -i /weir.deb
in_root dpkg --verify weir
unit=$(in_root dpkg -L weir | grep '/weir\.service$')
in_root systemd-analyze verify weir.service
# The exposure, in tenths: docs/operations.md names it.
in_root systemd-analyze security --offline=true --threshold=13 weir.service | tail -n 1
in_root man weir-send | grep --quiet 'until each event has a verdict'
[ -L "$root/etc/systemd/system/multi-user.target.wants/weir.service" ]

# The service: the user, the variables and the command of the unit.
setting() { sed -n "s/^$1=//p" "$root$unit"; }
user=$(setting User)
mapfile -t variables < <(setting Environment; grep '^[^#]' "$root/etc/weir/weir.env")
read -ra command < <(setting ExecStart)
start_server chroot "$root" env -i PATH=/usr/local/bin:/usr/bin:/bin "${variables[@]}" "WEIR_LISTEN=127.0.0.1:$port" \
    setpriv "--reuid=$user" "--regid=$(setting Group)" --clear-groups --no-new-privs --bounding-set=-all \
    --inh-caps=-all "${command[@]}"
assert_not_root
token() { echo "Authorization: Bearer $(<"$root/etc/weir/$1-tokens")"; }
post_event e-1 -H "$(token ingest)"
[ "$(read_total -H "$(token read)")" = 1 ]
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$url/metrics")" = 401 ]
[ "$(in_root weir health --ready --url "$url")" = ok ]

# An upgrade keeps the tokens and the running server. A removal keeps the settings. A purge leaves nothing.
before=$(sha256sum "$root"/etc/weir/*)
in_root dpkg -i /weir.deb
[ "$(sha256sum "$root"/etc/weir/*)" = "$before" ]
[ "$(read_total -H "$(token read)")" = 1 ]
stop_server
in_root dpkg --remove weir
[ ! -e "$root/usr/bin/weir" ]
[ -e "$root/etc/weir/read-tokens" ]
in_root dpkg --purge weir
left=$(find "$root/etc" "$root/usr" -name '*weir*')
[ -z "$left" ] || { echo "the purge left $left" && exit 1; }
echo "deb: installed, served as the user $user, upgraded, removed and purged"
