"""The backend passes the suite of cachu, in plain and in asynchronous code."""

from typing import Any

import pytest

from cachu.testing.suite import *  # noqa: F403


@pytest.fixture
def cachu_backend(postgres_url: str) -> dict[str, Any]:
    return {"backend": "postgres", "postgres_url": postgres_url}
