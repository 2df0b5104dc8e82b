"""Which device and precision a run uses."""

from dataclasses import dataclass

import torch

from stemkit.errors import DeviceError
from stemkit.separation.options import DeviceName, Precision

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Placement:
    """Where the network runs, and the precision of its convolutions."""

    device: torch.device
    dtype: torch.dtype

    @property
    def is_float32(self) -> bool:
        """Whether nothing is rounded on purpose."""
        return self.dtype == torch.float32


def choose_placement(device: DeviceName, precision: Precision) -> Placement:
    """Return what `auto` means on this machine, and what was asked for otherwise.

    `auto` precision is half precision on CUDA, bfloat16 on a CPU with instructions for it (AVX512
    BF16 or AMX), and float32 anywhere else. Raises DeviceError for a device that isn't here, and
    for float16 on a CPU, which only emulates it.
    """
    chosen = _choose_device(device)
    if precision == "auto":
        return Placement(chosen, _fast_dtype(chosen))
    if precision == "float16" and chosen.type == "cpu":
        raise DeviceError("float16 is only emulated on a CPU; choose bfloat16 or float32")
    return Placement(chosen, _DTYPES[precision])


def _choose_device(device: DeviceName) -> torch.device:
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _has_mps()}
    if device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if present[name]))
    if not present[device]:
        here = ", ".join(name for name, there in present.items() if there)
        raise DeviceError(f"no device {device!r} on this machine; choose one of: auto, {here}")
    return torch.device(device)


def _has_mps() -> bool:
    return torch.backends.mps.is_available()


def _fast_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float16
    return torch.bfloat16 if device.type == "cpu" and _cpu_has_bfloat16() else torch.float32


def _cpu_has_bfloat16() -> bool:
    """Ask torch, whose names for this have changed; without an answer, say no."""
    questions = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in questions)
