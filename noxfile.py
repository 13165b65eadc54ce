"""What continuous integration runs, one session each: `nox`, or `nox -s lint`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]


def sync(session: nox.Session, *options: str) -> None:
    """Install what *options* ask for, at the locked versions."""
    session.run_install(
        "uv",
        "sync",
        "--locked",
        f"--python={session.virtualenv.location}",
        *options,
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location},
    )


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the tests, and the examples of README and docs."""
    sync(session)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, spelling and which room imports which."""
    sync(session)
    session.run("ruff", "format", "--check")
    session.run("ruff", "check")
    session.run("codespell")
    session.run("lint-imports")


@nox.session
def typing(session: nox.Session) -> None:
    """Check the types of the sources."""
    sync(session)
    session.run("mypy", "--strict")
    session.run("pyright")


@nox.session
def wheel_types(session: nox.Session) -> None:
    """Let pyright judge the wheels as a user's checker sees them, without the sources."""
    wheels = Path(session.create_tmp()).resolve()
    session.run("uv", "build", "--all-packages", "--wheel", f"--out-dir={wheels}", external=True)
    built = session.run("uv", "version", "--short", external=True, silent=True).strip()
    session.install("pyright", f"cachu[all]=={built}", f"--find-links={wheels}")
    with session.chdir(wheels):
        for package in ("cachu", "cachu_file", "cachu_redis"):
            session.run("pyright", "--ignoreexternal", "--verifytypes", package)


@nox.session
def packaging(session: nox.Session) -> None:
    """Build the wheels and try them as a user would; those of the examples, too."""
    sync(session)
    session.run("pytest", "tests/packaging", "tests/examples")


@nox.session(name="release-check", default=False)
def release_check(session: nox.Session) -> None:
    """Try what is to be released, from a clean checkout, as a stranger would on each Python."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder)
    tree, dist = folder / "tree", folder / "dist"
    session.run("git", "clone", "--quiet", ".", str(tree), external=True)
    session.run(
        "uv", "build", "--all-packages", f"--directory={tree}", f"--out-dir={dist}", external=True
    )
    session.install("pip-audit>=2.9", "twine>=6.1")
    built = sorted([*map(str, dist.glob("*.whl")), *map(str, dist.glob("*.tar.gz"))])
    session.run("twine", "check", "--strict", *built)
    tried = [version for version in PYTHONS if try_release(session, version, dist, tree)]
    audit(session, folder)
    with session.chdir(tree):
        session.run("uv", "run", "--locked", "pytest", "tests/packaging", external=True)
    missing = ", ".join(version for version in PYTHONS if version not in tried) or "none"
    session.log(f"Tried on Python {', '.join(tried)}; not here: {missing}.")


def interpreter(version: str) -> str | None:
    """Find a Python of *version* on PATH or among those of pyenv, whose shims may not answer."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates = [f"python{version}", *pyenv.glob(f"versions/{version}.*/bin/python")]
    for path in filter(None, (shutil.which(candidate) for candidate in candidates)):
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


def try_release(session: nox.Session, version: str, dist: Path, tree: Path) -> bool:
    """Install wheels, then source distributions; return whether this Python is here."""
    found = interpreter(version)
    if found is None:
        return False
    venv = dist.with_name(f"venv-{version}")
    session.run("uv", "venv", "--quiet", f"--python={found}", str(venv), external=True)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    packages = {"cachu": None} | {f"cachu-{n}": f"cachu_{n}" for n in ("core", "file", "redis")}
    packages["cachu-core"] = "cachu"
    plugins = ["dogpile", "memory", "null", "file", "diskcache", "redis"]
    for wanted in (["cachu[all]"], [str(source) for source in dist.glob("*.tar.gz")]):
        session.run(
            "uv", "pip", "install", "--quiet", f"--python={python}", "--refresh", "--reinstall",
            f"--find-links={dist}", *wanted, external=True,
        )  # fmt: skip
        session.run("uv", "pip", "check", f"--python={python}", external=True)
        with session.chdir(dist):
            session.run(
                str(python), "-W", "error", str(tree / "tests/packaging/smoke.py"),
                json.dumps(packages), json.dumps(plugins), external=True,
            )  # fmt: skip
    return True


def audit(session: nox.Session, folder: Path) -> None:
    """Look for known vulnerabilities in what `pip install cachu[all]` brings."""
    needs = folder / "requirements.txt"
    session.run(
        "uv", "export", "--quiet", "--frozen", "--extra=all", "--no-default-groups",
        "--no-emit-workspace", "--no-annotate", f"--output-file={needs}", external=True,
    )  # fmt: skip
    # Where the service does not answer, pip-audit skips everything and finds nothing. So it is
    # asked about a release, too, whose advisory everybody knows.
    known = folder / "known.txt"
    known.write_text(f"diskcache==5.6.3 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    if not advisories(session, known)["diskcache"]:
        session.warn("NOT AUDITED: pip-audit cannot reach the advisories of PyPI from here.")
        return
    bad = sorted(name for name, ids in advisories(session, needs).items() if ids != [])
    if bad:
        session.error(f"There are advisories for, or no answer about, {', '.join(bad)}.")


def advisories(session: nox.Session, requirements: Path) -> dict[str, list[str] | None]:
    """Return for each requirement its advisories; None if it could not be looked up."""
    report = requirements.with_suffix(".json")
    session.run(
        "pip-audit", "--disable-pip", "--no-deps", f"--requirement={requirements}",
        "--format=json", f"--output={report}", success_codes=[0, 1], silent=True,
    )  # fmt: skip
    found = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    return {d["name"]: [v["id"] for v in d["vulns"]] if "vulns" in d else None for d in found}


@nox.session
def docs(session: nox.Session) -> None:
    """Run every example."""
    sync(session)
    session.run("pytest", "tests/docs", "README.md", "docs")
    session.run("python", "docs/examples/quickstart.py")


@nox.session
def site(session: nox.Session) -> None:
    """Build the documentation site into site/, and check its links."""
    sync(session)
    session.run("pytest", "tests/site")
    session.run("zensical", "build", "--clean", "--strict")
