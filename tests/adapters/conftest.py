"""The suites are plain modules: pytest shows what their assertions compared."""

import pytest

for suite in ("stores", "keys", "chains", "journals", "trainers", "gossips", "feeds"):
    pytest.register_assert_rewrite(f"tests.adapters.{suite}")
