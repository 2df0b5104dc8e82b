"""What an installation holds."""

import subprocess
import sys
import zipfile
from pathlib import Path

import stemkit
from stemkit.effects.folder import presets_folder

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_presets_cards_and_weights_and_is_small(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for preset in (ROOT / "presets").iterdir():
        assert f"stemkit/presets/{preset.name}" in names
    for model in ("stemkit-small", "stemkit-small-high", "stemkit-small-4"):
        assert f"stemkit/weights/cards/{model}.toml" in names
        assert f"stemkit/weights/bundled/{model}.safetensors" in names
    assert "stemkit/py.typed" in names
    assert not any(name.startswith(("tests/", "examples/")) for name in names)
    assert wheel.stat().st_size < 22e6  # a model has 16 MB at most


def test_presets_are_found_where_this_is_installed() -> None:
    found = {path.name for path in presets_folder().iterdir()}
    assert found == {path.name for path in (ROOT / "presets").iterdir()}


def test_importing_the_package_imports_no_torch() -> None:
    code = "import sys, stemkit; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert callable(stemkit.load_network)
    assert "load_network" in stemkit.__all__


def test_nothing_else_is_at_the_top() -> None:
    expected = {
        *("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"),
        *("stemkit", "presets", "tests", "examples"),
    }
    listed = subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True)
    top = {name.split("/")[0] for name in listed.splitlines()}
    assert {name for name in top if not name.startswith(".")} <= expected
