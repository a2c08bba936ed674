"""Ray is imported here once: its own deprecation warnings are no failure of ours."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from ray import serve  # noqa: F401
