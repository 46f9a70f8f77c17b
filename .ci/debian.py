"""Programs out of Debian's archive, unpacked under build/: no root, no change to the system.

apt-get runs with a source list, state and cache of its own, so its signature check stands as on any Debian. The
programs run through the C library that came along, so the host's own does not matter. MicroPython is the 32-bit
build: the board is a 32-bit machine, and the size of an integer, of the heap and of every object follows from that.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

SUITE = "trixie"
PROGRAMS = ("micropython", "mosquitto")
OLDEST_MICROPYTHON = (1, 24)
# What Debian's mosquitto wants for its service and its user; a broker of ours has neither.
NOT_NEEDED = ("adduser", "debconf", "init-system-helpers", "passwd", "sysvinit-utils")
KEYRINGS = ("/usr/share/keyrings/debian-archive-keyring.gpg", "/usr/share/keyrings/debian-archive-keyring.pgp")
HEAP = "160k"  # what an ESP32 without PSRAM leaves to MicroPython
HEAP_OPTION = "160wk"  # w: scaled by the word, as on a 64-bit build every object is twice as large
NO_NETWORK = ("Could not resolve", "Temporary failure", "Could not connect", "Unable to connect", "Cannot initiate",
              "unreachable", "timed out", "Connection failed")
NO_TRUST = ("NO_PUBKEY", "BADSIG", "is not signed", "EXPKEYSIG", "couldn't be verified", "OpenPGP signature")


class Missing(Exception):
    """Something this machine lacks: one sentence that says what it is and what to do."""


class NoArchive(Exception):
    """This machine has no Debian archive, or its archive lacks the suite or the package."""


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file whole or not at all."""
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(mode)
    fresh.replace(path)


def replace(fresh: Path, place: Path) -> None:
    """Put a folder where an older one may stand."""
    if place.exists():
        shutil.rmtree(place)
    fresh.rename(place)


def run(*command: str | Path, at: Path | None = None) -> "subprocess.CompletedProcess[str]":
    plain = dict(os.environ, LC_ALL="C", DEBIAN_FRONTEND="noninteractive")
    return subprocess.run(command, cwd=at, capture_output=True, text=True, env=plain, stdin=subprocess.DEVNULL)


def archive_address() -> str:
    """The mirror that this machine uses, whatever release it is."""
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        raise NoArchive("this machine has no apt-get and dpkg-deb")
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)"
    for line in run("apt-get", "indextargets", "--format", form, "Created-By: Packages").stdout.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    # Before its first `apt-get update` a machine has no index targets, but knows what it would fetch.
    for line in run("apt-get", "update", "--print-uris").stdout.splitlines():
        found = re.match(r"'(\S+?/debian/)dists/[a-z]+/InRelease'", line)
        if found:
            return found.group(1)
    raise NoArchive("apt-get knows no Debian archive here")


class Apt:
    """apt-get for one architecture in a folder of its own."""

    def __init__(self, room: Path, architecture: str, address: str) -> None:
        self.room, self.architecture = room, architecture
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (room / folder).mkdir(parents=True)
        keys = ",".join(name for name in KEYRINGS if os.path.exists(name))
        option = f"[signed-by={keys}] " if keys else ""  # without the keyring apt's own trusted keys must do
        (room / "sources.list").write_text(f"deb {option}{address} {SUITE} main\n")
        (room / "state/status").write_text("".join(map(_as_if_installed, NOT_NEEDED)))
        (room / "apt.conf").write_text(self._configuration())

    def _configuration(self) -> str:
        """Read after the machine's own, so a proxy set there holds, and its hooks on the system's cache do not run."""
        room = self.room
        return f"""#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Install-Pkgs;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
APT::Architecture "{self.architecture}";
APT::Architectures {{ "{self.architecture}"; }};
APT::Default-Release "{SUITE}";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::AllowInsecureRepositories "false";
Dir::Etc::sourcelist "{room}/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "{room}/state";
Dir::State::status "{room}/state/status";
Dir::Cache "{room}/cache";
Dir::Log "{room}";
"""

    def get(self, *arguments: str) -> None:
        done = run("apt-get", "-c", self.room / "apt.conf", *arguments, at=self.room / "cache/archives")
        if done.returncode == 0 and "\nE:" not in done.stderr and "Failed to fetch" not in done.stderr:
            return
        said = done.stderr.strip().splitlines() or ["no reason given"]
        if any(word in done.stderr for word in NO_NETWORK):
            raise Missing(f"Debian's archive cannot be reached ({said[0]}): the first run needs the network; check it "
                          "and run this again.")
        if any(word in done.stderr for word in NO_TRUST):
            raise Missing(f"the signature of Debian {SUITE} cannot be checked ({said[0]}): install a newer "
                          "debian-archive-keyring and run this again.")
        raise NoArchive(f"Debian's archive has no {SUITE} for {self.architecture} ({said[0]})")

    def unpack(self, root: Path) -> None:
        """Take programs and libraries; leave documents and the files of system services."""
        root.mkdir()
        for package in sorted((self.room / "cache/archives").glob("*.deb")):
            done = run("dpkg-deb", "-x", package, root)
            if done.returncode:
                raise Missing(f"{package.name} cannot be unpacked ({done.stderr.strip()}): run this again.")
        for folder in ("etc", "var", "usr/share", "usr/lib/systemd"):
            shutil.rmtree(root / folder, ignore_errors=True)


def _as_if_installed(package: str) -> str:
    return f"Package: {package}\nStatus: install ok installed\nVersion: 99\nArchitecture: all\nDescription: none\n\n"


WRAPPER = """#!/bin/sh
# Made by .ci/debian.py. {what}
root=${{0%/*}}/../debian
exec "$root/{loader}" --library-path "$root/{libraries}" "$root/{program}" {options}"$@"
"""
BORROWED = """#!/bin/sh
# Made by .ci/debian.py. There is no Debian archive here: the machine's own program.
exec {program} {options}"$@"
"""
CALLGRIND = """#!/bin/sh
# Made by .ci/debian.py. Counts the instructions that MicroPython executes:
#
#     callgrind --out=FILE [valgrind options --] [micropython options] script arguments...
#
# The line `totals: N` at the end of FILE is the count, start-up included; the same run gives the same N, so the cost
# of one thing is the difference of two runs. Debian's build has no symbols, so nothing can be counted by function.
case $1 in
    --out=?*) out=${{1#--out=}}; shift ;;
    *) echo "usage: callgrind --out=FILE [valgrind options --] [micropython options] script arguments..." >&2; exit 2 ;;
esac
here=${{0%/*}}
more=
case $1 in --[a-z]*)
    while [ $# -gt 0 ] && [ "$1" != -- ]; do more="$more $1"; shift; done
    shift ;;
esac
{start} --tool=callgrind -q --callgrind-out-file="$out" $more {program} {options}"$@"
"""


class Debian:
    """What bootstrap makes from Debian's packages: programs under build/bin."""

    def __init__(self, build: Path) -> None:
        self.build = build
        self.bin = build / "bin"
        self.programs = [self.bin / name for name in PROGRAMS]
        self.callgrind = self.bin / "callgrind"

    def make_programs(self, room: Path) -> None:
        try:
            address = archive_address()
            if not any(self._try(room, arch, address) for arch in _architectures()):
                raise NoArchive("neither i386 programs nor this machine's own from the archive run here")
        except NoArchive as reason:
            self._borrow(str(reason))

    def _try(self, room: Path, architecture: str, address: str) -> bool:
        """Fetch the programs for one architecture; keep them if they run."""
        apt = Apt(room / architecture, architecture, address)
        apt.get("update")
        apt.get("install", "--yes", "--download-only", *PROGRAMS)
        trial = room / f"trial-{architecture}"
        trial.mkdir()
        root = trial / "debian"
        apt.unpack(root)
        (root / "architecture").write_text(architecture)
        (trial / "bin").mkdir()
        self._wrap(root, trial / "bin")
        if not _runs(trial / "bin/micropython"):
            print(f"bootstrap: {architecture} programs do not run on this machine", flush=True)
            return False
        replace(root, self.build / "debian")
        self._publish(trial / "bin")
        return True

    def _publish(self, made: Path) -> None:
        self.bin.mkdir(exist_ok=True)
        for path in made.iterdir():
            path.replace(self.bin / path.name)

    def _wrap(self, root: Path, to: Path) -> None:
        what = {"micropython": f"The heap is {HEAP} unless another -X heapsize= follows.", "mosquitto": "The broker."}
        for name in PROGRAMS:
            program = next(root.glob(f"usr/*bin/{name}")).relative_to(root)
            text = WRAPPER.format(what=what[name], program=program, options=_options(name), **_c(root))
            write(to / name, text, 0o755)

    def _borrow(self, reason: str) -> None:
        """No Debian archive: what the machine has, if it is new enough."""
        self.bin.mkdir(exist_ok=True)
        for name in PROGRAMS:
            found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
            if found and name == "micropython" and _version(found) < OLDEST_MICROPYTHON:
                found = None
            if not found:
                need = " 1.24 or newer" if name == "micropython" else ""
                raise Missing(f"{reason}: put a `{name}`{need} on the PATH and run this again.")
            write(self.bin / name, BORROWED.format(program=_quote(found), options=_options(name)), 0o755)
        shutil.rmtree(self.build / "debian", ignore_errors=True)

    def make_callgrind(self, room: Path) -> None:
        """Its dependencies serve the memory checker: the counter itself is linked statically."""
        root = self.build / "debian"
        if not root.exists():
            self._borrow_callgrind()
            return
        try:
            apt = Apt(room / "apt", (root / "architecture").read_text(), archive_address())
            apt.get("update")
            apt.get("download", "valgrind")
        except NoArchive as error:
            raise Missing(f"{error}: valgrind cannot be had, so instructions cannot be counted here.") from None
        apt.unpack(room / "valgrind")
        replace(room / "valgrind", self.build / "valgrind")
        tools = next((self.build / "valgrind/usr/libexec/valgrind").glob("callgrind-*-linux"))
        start = (f'export VALGRIND_LIB="$here/../valgrind/usr/libexec/valgrind" VALGRIND_LAUNCHER="$here/callgrind"\n'
                 f'exec "$here/../{tools.relative_to(self.build)}"')
        c = {key: f'"$here/../debian/{value}"' for key, value in _c(root).items()}
        program = f'{c["loader"]} --library-path {c["libraries"]} "$here/../debian/usr/bin/micropython"'
        self._write_callgrind(start, program)

    def _borrow_callgrind(self) -> None:
        if not shutil.which("valgrind"):
            raise Missing("there is no Debian archive here: put a `valgrind` on the PATH and run this again.")
        borrowed = (self.bin / "micropython").read_text().splitlines()[-1].split()[1]
        self._write_callgrind("exec valgrind", borrowed)

    def _write_callgrind(self, start: str, program: str) -> None:
        text = CALLGRIND.format(start=start, program=program, options=_options("micropython"))
        write(self.callgrind, text, 0o755)


def _architectures() -> list[str]:
    own = run("dpkg", "--print-architecture").stdout.strip()
    return ["i386", own] if platform.machine() in ("x86_64", "i686", "i386") and own != "i386" else [own]


def _c(root: Path) -> dict[str, str]:
    """The loader and the folder of the C library that came along."""
    loader = next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))
    return {"loader": str(loader.relative_to(root)), "libraries": str(loader.parent.relative_to(root))}


def _options(name: str) -> str:
    """What every start of a program gets, before the caller's own options."""
    return {"micropython": f"-X heapsize={HEAP_OPTION} "}.get(name, "")


def _quote(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


def _runs(program: Path) -> bool:
    try:
        return run(program, "-c", "print(6 * 7)").stdout.strip() == "42"
    except OSError:
        return False


def _version(program: str) -> tuple[int, ...]:
    said = run(program, "-c", "import sys; print('%d.%d' % sys.implementation[1][:2])").stdout.strip()
    return tuple(int(part) for part in said.split(".")) if re.fullmatch(r"\d+\.\d+", said) else (0,)
