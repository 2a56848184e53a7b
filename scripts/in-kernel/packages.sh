# shellcheck shell=bash
# shellcheck disable=SC2154 # what it wants
# Sourced by run-in-kernel and make-root: Debian packages unpacked below $cache, none of them installed.
# Wants `cache`, `die` and `say`. `architecture`, Debian's word for it, and `suite` choose the packages.
architecture=amd64 suite=bookworm

readonly debian_suites='bullseye bookworm trixie'

# apt with a state of its own: neither the host's lists nor its locks are touched. `installed` is the list
# of what counts as installed, of which nothing is fetched: the host's own, or none.
private_apt() {
    local tool=$1
    shift
    "$tool" -qq -o Debug::NoLocking=1 -o APT::Sandbox::User=root -o APT::Install-Recommends=0 \
        -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
        -o APT::Default-Release="$suite" -o Dir::State="$apt/state" -o Dir::State::Lists="$apt/lists" \
        -o Dir::State::status="${installed:-/var/lib/dpkg/status}" \
        -o Dir::Cache="$apt" -o Dir::Etc::sourcelist="$apt/sources.list" \
        -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null "$@"
}

# The mirror that this machine uses for the archive whose address ends as told.
own_mirror() {
    apt-get indextargets --format "\$(REPO_URI)" | sed 's,/*$,,' | grep -m 1 -E "$1\$" || true
}

# Lists of every release that carries one of the kernels: this machine's own know only its own.
refresh_lists() {
    apt=$cache/apt
    [[ $architecture == amd64 ]] || apt=$cache/apt-$architecture
    mkdir -p "$apt"/{lists,archives}/partial "$apt/state"
    [[ -z $(find "$apt/updated" -mtime -1 2>/dev/null) ]] || return 0
    local main security name
    main=$(own_mirror /debian)
    [[ -n $main ]] || die "apt on this machine has no Debian mirror; run apt-get update first."
    security=$(own_mirror /debian-security)
    # A mirror keeps the security archive beside the main one.
    security=${security:-$main-security}
    say "reading the lists of packages for $architecture"
    local by='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'
    for name in $debian_suites; do
        echo "deb $by $main $name main"
        echo "deb $by $security $name-security main"
    done >"$apt/sources.list"
    for name in bookworm-backports trixie-backports sid; do
        echo "deb $by $main $name main"
    done >>"$apt/sources.list"
    private_apt apt-get update >&2 || die "apt-get update failed, as above."
    touch "$apt/updated"
}

# Prints the names of these packages and of all that they need and is not `installed`.
closure() {
    private_apt apt-get install --print-uris -y "$@" | sed -n "s/^'[^ ]* \([^_ ]*\)_.*/\1/p"
}

# unpack FOLDER PACKAGE...; FOLDER appears when it is complete.
unpack() {
    local folder=$1 archive
    shift
    rm -rf "$folder.archives" "$folder.part"
    mkdir -p "$folder.archives" "$folder.part"
    # As the distribution has it since Debian 12; packages of older ones, and some of that, say /bin.
    (cd "$folder.part" && mkdir -p usr/{bin,sbin,lib,lib64} && ln -s usr/{bin,sbin,lib,lib64} .)
    (cd "$folder.archives" && private_apt apt-get download "$@" >/dev/null) ||
        die "cannot download $*; where a kernel is out of date, remove $cache/kernels/*.name."
    for archive in "$folder.archives"/*.deb; do
        dpkg-deb --fsys-tarfile "$archive" | tar -x --keep-directory-symlink -C "$folder.part" ||
            die "cannot unpack $archive."
    done
    rm -rf "$folder.archives"
    mv "$folder.part" "$folder"
}
