"""What continuous integration runs, one session each: `nox`, or `nox -s lint`."""

from __future__ import annotations

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
    session.install("pyright", "cachu[all]==1.0.0", f"--find-links={wheels}")
    with session.chdir(wheels):
        for package in ("cachu", "cachu_file", "cachu_redis"):
            session.run("pyright", "--ignoreexternal", "--verifytypes", package)


@nox.session
def packaging(session: nox.Session) -> None:
    """Build the wheels and try them as a user would."""
    sync(session)
    session.run("pytest", "tests/packaging")


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
