#!/bin/sh
# The tools that Quire is built with.
#
#   tools.sh check      complain about tools that are missing or too old
#   tools.sh install    install the distribution's packages for what is missing (`make setup`)
#   tools.sh python     print the Python that has pytest and pexpect
#
# CROSS is the prefix of the cross tools.

CROSS=${CROSS:-riscv64-unknown-elf-}
PATH=$PATH:/usr/sbin:/sbin
PYTHON_MODULES="pytest, pexpect, xdist, pytest_timeout"

have() { command -v "$1" >/dev/null 2>&1; }

test_python()
{
    for python in python3 /usr/bin/python3; do
        if $python -c "import $PYTHON_MODULES" 2>/dev/null; then
            command -v $python
            return 0
        fi
    done
    return 1
}

have_picolibc() { echo | "${CROSS}gcc" -specs=picolibc.specs -E - >/dev/null 2>&1; }
have_host_compiler() { echo '#include <stdio.h>' | gcc -E - >/dev/null 2>&1; }

have_firmware()
{
    for folder in /usr/share/qemu /usr/lib/riscv64-linux-gnu/opensbi/generic \
                  /usr/local/share/qemu /opt/homebrew/share/qemu; do
        [ -e "$folder/opensbi-riscv64-generic-fw_dynamic.bin" ] && return 0
        [ -e "$folder/fw_dynamic.bin" ] && return 0
    done
    return 1
}

# What is missing, one line each: the tool, then the packages that bring it.  First for building and
# running, then for testing and debugging.
missing_to_build()
{
    have make                || echo "make: make"
    have "${CROSS}gcc"       || echo "${CROSS}gcc: gcc-riscv64-unknown-elf"
    have_picolibc            || echo "picolibc: picolibc-riscv64-unknown-elf"
    have qemu-system-riscv64 || echo "qemu-system-riscv64: QEMU"
    have_firmware            || echo "OpenSBI: opensbi"
    have mke2fs              || echo "mke2fs: e2fsprogs"
    have sfdisk              || echo "sfdisk: fdisk"
    have python3             || echo "python3: python3"
}

missing()
{
    missing_to_build
    have gdb-multiarch       || echo "gdb-multiarch: gdb-multiarch"
    test_python >/dev/null   || echo "pytest: python3-pytest python3-pexpect" \
                                     "python3-pytest-xdist python3-pytest-timeout"
    have_host_compiler       || echo "gcc: gcc libc6-dev"
    have spin                || echo "spin: spin"
}

# Debian 13 and Ubuntu 24.04 split QEMU; older ones have all machines in one package.
qemu_package()
{
    if apt-cache show qemu-system-riscv 2>/dev/null | grep -q '^Package: qemu-system-riscv$'; then
        echo qemu-system-riscv
    else
        echo qemu-system-misc
    fi
}

packages()
{
    missing | sed 's/^[^:]*: //' | tr ' ' '\n' | sed "s/^QEMU\$/$1/" | tr '\n' ' ' | sed 's/ *$//'
}

run_apt()
{
    # shellcheck disable=SC2086
    $AS_ROOT env DEBIAN_FRONTEND=noninteractive apt-get "$@" </dev/null
}

install_packages()
{
    if [ -z "$(missing)" ]; then
        echo "setup: every tool is here, nothing to install"
        return 0
    fi
    if ! have apt-get; then
        echo "setup: there is no apt here; please install what these Debian packages hold:" >&2
        echo "    $(packages 'qemu-system-misc (or qemu-system-riscv)')" >&2
        return 1
    fi
    AS_ROOT=
    if [ "$(id -u)" != 0 ]; then
        AS_ROOT=sudo
        if ! have sudo; then
            echo "setup: as root, please: apt-get install $(packages "$(qemu_package)")" >&2
            return 1
        fi
    fi
    if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
        echo "setup: fetching the package lists"
        run_apt -qq update || return 1
    fi
    echo "setup: installing $(packages "$(qemu_package)")"
    # shellcheck disable=SC2046
    if ! run_apt -qq install -y --no-install-recommends $(packages "$(qemu_package)"); then
        echo "setup: that failed; fetching new package lists and trying once more"
        # shellcheck disable=SC2046
        run_apt -qq update &&
        run_apt -qq install -y --no-install-recommends $(packages "$(qemu_package)") || return 1
    fi
    if [ -n "$(missing)" ]; then
        echo "setup: still missing after the installation:" >&2
        missing | sed 's/^/    /' >&2
        return 1
    fi
    echo "setup: done"
}

# at_least NAME FOUND NEEDED: versions as numbers with dots.
at_least()
{
    oldest=$(printf '%s\n%s\n' "$2" "$3" | sort -V | head -n 1)
    [ "$oldest" = "$3" ] && return 0
    echo "too old: $1 is version $2, Quire needs $3 or newer" >&2
    return 1
}

version() { sed -n 's/^[^0-9]*\([0-9][0-9]*\(\.[0-9][0-9]*\)*\).*/\1/p' | head -n 1; }

check()
{
    if [ -n "$(missing_to_build)" ]; then
        echo "missing tools (\`make setup\` installs them; the package is behind the colon):" >&2
        missing_to_build | sed "s/QEMU/qemu-system-misc or qemu-system-riscv/; s/^/    /" >&2
        return 1
    fi
    failures=0
    at_least make "$(make --version | version)" 4.2 || failures=1
    at_least "${CROSS}gcc" "$("${CROSS}gcc" -dumpfullversion | version)" 10 || failures=1
    at_least qemu-system-riscv64 "$(qemu-system-riscv64 --version | version)" 7.0 || failures=1
    at_least mke2fs "$(mke2fs -V 2>&1 | version)" 1.45 || failures=1
    at_least python3 "$(python3 --version | version)" 3.9 || failures=1
    return $failures
}

case $1 in
check)   check ;;
install) install_packages ;;
python)  test_python ;;
*)       sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
