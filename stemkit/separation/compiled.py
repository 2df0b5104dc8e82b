"""A network's convolutional part as machine code, compiled once for each machine.

torch compiles it ahead of time (AOTInductor), for any length of audio. What comes of it is kept in
a file under `compiled` in stemkit's folder, and loads faster than the network itself is built.
"""

import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor, nn

from stemkit import __version__
from stemkit.errors import DeviceError
from stemkit.files import replace_file
from stemkit.nn.config import NetworkConfig
from stemkit.nn.resunet import UNet
from stemkit.weights.folders import stemkit_home

MOST_CELLS = 2**16  # pooling cells of a segment: hours
_logger = logging.getLogger("stemkit")


class CompiledUNet(nn.Module):
    """What stands in for a `UNet`: (batch, planes, time, freq) in, its maps out.

    One thread runs it at a time: torch keeps the interpreter's lock meanwhile, and would wait for
    its own with that in its hands, for ever.
    """

    def __init__(self, package: Path, dtype: torch.dtype) -> None:
        super().__init__()
        loader = torch._C._aoti.AOTIModelPackageLoader  # what torch's own loader is around
        self._lock = threading.Lock()
        self._program = loader(str(package), "model", False, 1, -1)
        self.dtype = dtype

    def forward(self, x: Tensor) -> Tensor:
        with self._lock:
            found = [self._program.run([example[None]])[0] for example in x]
        return found[0] if len(found) == 1 else torch.cat(found)


def compile_unet(unet: UNet, config: NetworkConfig) -> CompiledUNet:
    """Return a U-Net for inference on the CPU, folded and cast, as machine code.

    The first time it takes minutes, and a C++ compiler. Raises DeviceError where that fails.
    """
    package = stemkit_home() / "compiled" / f"{_fingerprint(unet, config)}.pt2"
    try:
        with suppress(RuntimeError):  # it isn't there, or is damaged
            return CompiledUNet(package, unet.dtype)
        _make_package(unet, config, package)
        return CompiledUNet(package, unet.dtype)
    except Exception as error:  # of a compiler, a disk, or any of torch's own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DeviceError(
            f"can't compile the network: {reason}; see that there is a C++ compiler, such as g++, "
            f"or leave --compile out"
        ) from error


def _fingerprint(unet: UNet, config: NetworkConfig) -> str:
    """Return a name that changes with all that the machine code depends on."""
    parts = __version__, torch.__version__, str(unet.dtype), config.to_dict(), _describe_cpu()
    digest = hashlib.sha256(json.dumps(parts).encode())
    for tensor in unet.state_dict().values():
        digest.update(tensor.float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _describe_cpu() -> str:
    """Return what tells processors with other instructions apart."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        lines = []
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()} {platform.processor()} {flags}"


def _make_package(unet: UNet, config: NetworkConfig, package: Path) -> None:
    from torch._inductor.cpp_builder import get_cpp_compiler  # imported late: it takes seconds

    get_cpp_compiler()  # or it would be missed after half of the work
    _logger.warning("compiling the network for this machine, which is done once")
    with tempfile.TemporaryDirectory(prefix="stemkit-") as folder:
        made = _compile(unet, config, Path(folder))
        replace_file(package, lambda temporary: shutil.copyfile(made, temporary))


def _compile(unet: UNet, config: NetworkConfig, folder: Path) -> str:
    """Return the path of a new package; all that is made for it is in `folder`."""
    planes, bins = config.channels * config.band_count, config.unet_bins
    x = torch.zeros(1, planes, 4 * config.pooled_frames, bins, dtype=unet.dtype)
    cells = torch.export.Dim("cells", min=1, max=MOST_CELLS)
    with torch.no_grad(), _quietly_caching_in(folder):
        program = torch.export.export(
            unet,
            (x.to(memory_format=torch.channels_last),),
            dynamic_shapes=({2: config.pooled_frames * cells},),
        )
        return torch._inductor.aoti_compile_and_package(
            program,
            package_path=str(folder / "unet.pt2"),
            inductor_configs={"freezing": True, "cpp.dynamic_threads": True},
        )


@contextmanager
def _quietly_caching_in(folder: Path) -> Iterator[None]:
    """Let torch leave nothing elsewhere, and say nothing of compilers for GPUs."""
    logger, variable = logging.getLogger("torch.utils.cpp_extension"), "TORCHINDUCTOR_CACHE_DIR"
    level, before = logger.level, os.environ.get(variable)
    logger.setLevel(logging.ERROR)
    os.environ[variable] = str(folder)
    try:
        yield
    finally:
        logger.setLevel(level)
        os.environ.pop(variable)
        if before is not None:
            os.environ[variable] = before
