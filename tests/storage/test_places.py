"""Which texts are paths, which are URLs, and what is said about the others."""

import pickle
import sys
from pathlib import Path

import pytest

from stemkit.errors import OptionError
from stemkit.storage.places import parse_place


@pytest.mark.parametrize(
    "text",
    [
        "song.wav",
        "/music/a b",
        "C://music",
        "C:\\music",
        "odd name://x",
        "s3:/one/slash",
        "a/s3://b",
    ],
)
def test_other_texts_are_paths(text: str) -> None:
    assert parse_place(text) == Path(text)


@pytest.mark.parametrize("host", ["", "localhost"])
def test_file_urls_are_paths_with_escapes_undone(host: str) -> None:
    place = parse_place(f"file://{host}/music/My%20Songs/50%.wav")
    assert place == Path("/music/My Songs/50%.wav")
    assert isinstance(place, Path)


def test_a_file_url_of_another_machine_is_refused() -> None:
    with pytest.raises(OptionError, match="file:///FOLDER/FILE"):
        parse_place("file://server/music")


@pytest.mark.parametrize("protocol", ["s3", "gs", "memory"])
@pytest.mark.parametrize("key", ["a b/ü #?%20&+[1]*.tar.flac", "x//y", "a/../b", "2024: best/x"])
def test_every_character_of_a_key_stands_for_itself(protocol: str, key: str) -> None:
    _require_packages(protocol)
    place = parse_place(f"{protocol}://bucket/{key}")
    assert not isinstance(place, Path)
    assert place.path.removeprefix("/") == f"bucket/{key}"
    assert place == parse_place(f"{protocol}://bucket") / key
    assert place.name == key.rsplit("/", 1)[-1]
    assert parse_place(str(place)) == place
    assert pickle.loads(pickle.dumps(place)) == place


def test_a_protocol_has_no_case() -> None:
    assert parse_place("MEMORY://a/b") == parse_place("memory://a/b")


@pytest.mark.parametrize("text", ["nope://x", "simplecache::s3://b/x", "sftp://host/x"])
def test_an_unknown_protocol_is_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(OptionError, match=r"^\S+:// isn't known; .*: file://, s3://, gs://$"):
        parse_place(text)


@pytest.mark.parametrize(("protocol", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_named(
    protocol: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(
        OptionError, match=rf"needs {package}; run: pip install 'stemkit\[{protocol}\]'"
    ):
        parse_place(f"{protocol}://bucket/x")


@pytest.mark.parametrize("text", ["memory://", "memory:///"])
def test_a_url_without_a_bucket_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="names no bucket"):
        parse_place(text)


def _require_packages(protocol: str) -> None:
    if package := {"s3": "s3fs", "gs": "gcsfs"}.get(protocol):
        pytest.importorskip(package)
