"""Batch norm over the batches of all processes."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn


def share_norms(module: nn.Module) -> None:
    """Let every batch norm of a module, in place, take its statistics from all processes."""
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, _share(child))


def _share(norm: nn.BatchNorm2d) -> nn.Module:
    """Return a batch norm that has the very parameters and statistics of `norm`."""
    if norm.weight.is_cuda:
        convert = nn.SyncBatchNorm.convert_sync_batchnorm
        return convert(norm)  # type: ignore[no-untyped-call,no-any-return]
    shared = SharedBatchNorm2d(norm.num_features, norm.eps, norm.momentum)
    shared.weight, shared.bias = norm.weight, norm.bias
    shared.running_mean, shared.running_var = norm.running_mean, norm.running_var
    return shared.train(norm.training)


class SharedBatchNorm2d(nn.BatchNorm2d):
    """What `torch.nn.SyncBatchNorm` does on GPUs alone, for batches of one shape."""

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        y, mean, variance = _Normalize.apply(x, self.weight, self.bias, self.eps)
        self._remember(mean, variance, x.numel() // x.shape[1])
        normalized: Tensor = y
        return normalized

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics as `torch.nn.BatchNorm2d` does, the variance unbiased."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return  # of a kind that no network here has
        total = count * dist.get_world_size()
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (total / (total - 1)), self.momentum)


class _Normalize(torch.autograd.Function):
    """Batch norm by the statistics of all processes, which come with it, in torch's own kernels."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        own = torch.ops.aten.batch_norm_update_stats(x.float(), None, None, 0.0)
        mean, variance = (part.double() for part in own)
        mean, square = _take_mean(torch.stack((mean, variance + mean.square())))
        mean, variance = mean.float(), (square - mean.square()).float()
        ctx.save_for_backward(x, weight, mean, variance)
        ctx.mark_non_differentiable(mean, variance)
        ctx.eps = eps
        return F.batch_norm(x, mean, variance, weight, bias, eps=eps), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, variance = ctx.saved_tensors
        # First as if the statistics were constants, then by how they follow x.
        of_x, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        scale = torch.rsqrt(variance + ctx.eps)
        slope, level = _take_mean(torch.stack((of_weight, of_bias))) / (x.numel() // x.shape[1])
        slope = slope * scale
        of_x.addcmul_(x, (weight * scale * slope)[:, None, None], value=-1)
        of_x.sub_((weight * scale * (level - mean * slope))[:, None, None])
        return of_x, of_weight, of_bias, None


def _take_mean(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()
