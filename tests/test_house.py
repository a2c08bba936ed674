"""The house keeps its rules: no Ray below the actors, no generic names taken from others."""

import importlib.metadata
import subprocess
import sys

WALK = """
import importlib, pkgutil, sys
import proctor, models
for package in (proctor, models):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if ".migrations" not in found.name:
            importlib.import_module(found.name)
heavy = [name for name in ("ray", "torch", "mediapipe", "insightface") if name in sys.modules]
print(",".join(heavy))
"""


def test_importing_every_module_of_the_library_leaves_ray_out() -> None:
    done = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_no_installed_package_owns_the_names_of_our_application() -> None:
    owners = importlib.metadata.packages_distributions()
    for name in ("deployments", "actors", "models", "jobs", "bench"):
        assert [dist for dist in owners.get(name, []) if dist != "rayproctor"] == []
