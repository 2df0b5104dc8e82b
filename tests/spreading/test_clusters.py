"""Every item's result comes once from real clusters, whatever becomes of their workers."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

import pytest

import stemkit
from stemkit.batch.driving import open_known
from stemkit.errors import ClusterError
from stemkit.separation.options import EngineOptions
from stemkit.spreading.spread import Backend, Spreading, spread
from tests.batch.libraries import name_done, read_tree, save_tiny, write_song

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Cluster:
    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "list[subprocess.Popen[bytes]]"


def work(folder: Path, deadly: int, number: int) -> int:
    """Note which process begins an item; the deadly one is slow in the first."""
    first = not (folder / str(number)).exists()
    (folder / str(number)).write_text(str(os.getpid()))
    time.sleep(10 if first and number == deadly else 0.02)
    return number


def kill_worker_at(folder: Path, number: int) -> None:
    """Wait until an item runs, and kill the process that runs it."""
    note = folder / str(number)
    for _ in range(1000):
        if note.exists() and note.read_text():
            break
        time.sleep(0.01)
    os.kill(int(note.read_text()), signal.SIGKILL)


def refuse(number: int) -> int:
    raise ValueError(f"no {number}")


class Missing(int):
    """Something that can be sent, of a module that isn't where it arrives."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return import_module, ("missing_there",)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Start a Dask scheduler and two workers, which nothing restarts."""
    pytest.importorskip("distributed")
    place = tmp_path / "scheduler.json"
    common = ["--scheduler-file", str(place), "--no-dashboard"]
    with ExitStack() as stack:

        def start(*arguments: str) -> "subprocess.Popen[bytes]":
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments, *common],
                env=os.environ | {"PYTHONPATH": str(ROOT)},
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        scheduler = start("scheduler", "--host", "127.0.0.1", "--port", "0")
        options = ["--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]
        workers = [start("worker", *options) for _ in range(2)]
        yield Cluster(_read_address(place), scheduler, workers)


def _read_address(place: Path) -> str:
    for _ in range(500):
        try:
            return str(json.loads(place.read_text())["address"])
        except (FileNotFoundError, json.JSONDecodeError):
            time.sleep(0.02)
    raise TimeoutError("the scheduler didn't start")


def test_dask_gives_every_result_once_when_a_worker_is_killed(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = spread(partial(work, tmp_path, 1), range(12), Spreading("dask", 2, cluster.address))
    got = [next(results)]
    kill_worker_at(tmp_path, 1)
    got += results
    assert Counter(got) == Counter(range(12))
    assert capfd.readouterr().err == ""


def test_a_library_is_done_whole_on_a_cluster_that_loses_a_worker(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths are relative to this process's folder, which is not the workers'."""
    monkeypatch.chdir(tmp_path)
    model = save_tiny(Path("tiny.safetensors"))
    for number in range(6):
        write_song(Path("songs", f"{number}.wav"), 3, number)
    write_song(Path("songs", "long.wav"), 60)
    precise = EngineOptions(precision="float32")
    spreading = Spreading("dask", 2, cluster.address)
    outcomes = stemkit.separate_files(
        "songs", "out", model=model, engine_options=precise, spreading=spreading
    )
    done = [next(outcomes)]
    cluster.workers[0].kill()
    done += outcomes
    assert len(name_done(done)) == 7
    list(stemkit.separate_files("songs", "expected", model=model, engine_options=precise))
    assert read_tree(Path("out")) == read_tree(Path("expected"))
    with open_known(Path("out")) as ledger:
        assert ledger.count() == {"done": 7}


def test_a_dask_scheduler_that_is_lost_ends_it_in_one_line(
    cluster: Cluster, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    results = spread(
        partial(work, tmp_path, 99), range(1000), Spreading("dask", 2, cluster.address)
    )
    next(results)
    cluster.scheduler.kill()
    with pytest.raises(ClusterError, match="was lost"):
        list(results)
    assert capfd.readouterr().err == ""


def test_what_a_function_raises_on_dask_is_raised(cluster: Cluster) -> None:
    with pytest.raises(ValueError, match=r"^no \d$"):
        list(spread(refuse, range(5), Spreading("dask", None, cluster.address)))


def test_a_dask_worker_with_another_stemkit_is_named(cluster: Cluster, tmp_path: Path) -> None:
    """Without stemkit it would end over the first item, and with another give other results."""
    from distributed import Client

    other = tmp_path / "stemkit-0.0.1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: stemkit\nVersion: 0.0.1\n")
    worker = subprocess.Popen(
        [sys.executable, "-m", "dask", "worker", cluster.address, "--no-nanny", "--no-dashboard"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    try:
        with Client(cluster.address, set_as_default=False) as client:
            client.wait_for_workers(3, timeout=30)
        with pytest.raises(ClusterError, match=r"has stemkit 0\.0\.1; install stemkit"):
            list(spread(refuse, range(5), Spreading("dask", None, cluster.address)))
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("backend", ["dask", "ray"])
def test_an_address_where_nothing_answers_is_named(backend: Backend) -> None:
    pytest.importorskip("distributed" if backend == "dask" else "ray")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ClusterError, match=address):
            next(spread(refuse, range(5), Spreading(backend, 2, address)))


def test_ray_gives_every_result_once_when_a_worker_is_killed(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    script = tmp_path / "script.py"
    script.write_text(ON_RAY)
    subprocess.run(
        [sys.executable, script, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=60,
        check=True,
    )
    results = (tmp_path / "results").read_text()
    assert Counter(map(int, results.split())) == Counter(range(12))


def test_what_ray_has_not_got_is_named() -> None:
    pytest.importorskip("ray")
    with pytest.raises(ClusterError, match=r"install stemkit .* there: .* named 'missing_there'$"):
        list(spread(refuse, [Missing()], Spreading("ray", 2, "local")))


ON_RAY = """
import sys
from functools import partial
from pathlib import Path
from stemkit.spreading.spread import Spreading, spread
from tests.spreading.test_clusters import kill_worker_at, work

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    results = spread(partial(work, folder, 1), range(12), Spreading("ray", 2, "local"))
    got = [next(results)]
    kill_worker_at(folder, 1)
    got += results
    (folder / "results").write_text(" ".join(map(str, got)))
"""
