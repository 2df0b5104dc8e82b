"""Batch norm over the batches of all processes."""

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx


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
        variance, mean = (
            part.double() for part in torch.var_mean(x.float(), (0, 2, 3), correction=0)
        )
        own = torch.stack((mean, variance + mean.square()))
        mean, square = _Mean.apply(own)
        variance = square - mean.square()
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        gain = self.weight * torch.rsqrt(variance + self.eps).float()
        bias = self.bias - mean.float() * gain
        y: Tensor = x.float() * gain[:, None, None] + bias[:, None, None]
        return y.to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Move the running statistics as `torch.nn.BatchNorm2d` does, the variance unbiased."""
        if self.running_mean is None or self.running_var is None or self.momentum is None:
            return  # of a kind that no network here has
        total = count * dist.get_world_size()
        self.running_mean.lerp_(mean.float(), self.momentum)
        self.running_var.lerp_((variance * total / (total - 1)).float(), self.momentum)


class _Mean(torch.autograd.Function):
    """The mean over all processes; torch's own differentiable one is deprecated or private."""

    @staticmethod
    def forward(ctx: FunctionCtx, own: Tensor) -> Tensor:
        return _take_mean(own)

    @staticmethod
    def backward(ctx: FunctionCtx, *gradients: Tensor) -> Tensor:
        return _take_mean(gradients[0])  # of a sum of all processes' losses, as is the gradient


def _take_mean(values: Tensor) -> Tensor:
    total = values.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()
