#!/bin/sh
# Makes the root of an image: the binary, the libraries that it needs, the licences, and a directory for a journal.
# Usage: deploy/image-root.sh BINARY ROOT
set -eu
binary=$1 root=$2
install -D "$binary" "$root/usr/bin/weir"
for library in $(ldd "$binary" | grep -o '/[^ ]*'); do
    install -D "$(realpath "$library")" "$root$library"
done
install -d --mode=700 "$root/var/lib/weir"
install -D --mode=644 --target-directory="$root/usr/share/doc/weir" LICENSE LICENSE-APACHE LICENSE-MIT
