"""Say whether torch_spline_conv computes what its definition says, written in torch."""

from __future__ import annotations

import torch
from torch_spline_conv import spline_basis, spline_conv


def basis_of_definition(
    pseudo: torch.Tensor, kernel_size: torch.Tensor, is_open: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return B-splines of degree 1: each point weighs on the two knots beside it, in every dimension."""
    dimensions = pseudo.size(1)
    values, places = [], []
    for corner in range(2**dimensions):
        value = torch.ones_like(pseudo[:, 0])
        place = torch.zeros_like(value, dtype=torch.long)
        stride = 1
        for d in range(dimensions):
            upper = (corner >> d) & 1
            v = pseudo[:, d] * (kernel_size[d] - is_open[d])
            place += ((v.long() + upper) % kernel_size[d]) * stride
            stride *= int(kernel_size[d])
            fraction = v - v.floor()
            value = value * (fraction if upper else 1 - fraction)
        values.append(value)
        places.append(place)
    return torch.stack(values, 1), torch.stack(places, 1)


def conv_of_definition(
    x: torch.Tensor, edges: torch.Tensor, weight: torch.Tensor, basis: torch.Tensor, places: torch.Tensor
) -> torch.Tensor:
    """Return the mean over a node's neighbours, each multiplied by the weights that its edge stands for."""
    row, col = edges
    messages = torch.einsum("es,ei,esio->eo", basis, x[col], weight[places])
    out = torch.zeros(x.size(0), weight.size(2)).index_add_(0, row, messages)
    count = torch.zeros(x.size(0)).index_add_(0, row, torch.ones(row.numel())).clamp_(min=1)
    return out / count[:, None]


torch.manual_seed(0)
edges = torch.randint(0, 6, (2, 20))
pseudo, kernel_size, is_open = torch.rand(20, 2), torch.tensor([5, 4]), torch.tensor([1, 0], dtype=torch.uint8)
x, weight = torch.randn(6, 3), torch.randn(20, 3, 7)
wanted = basis_of_definition(pseudo, kernel_size, is_open)
devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
for device in devices:
    on = [tensor.to(device) for tensor in (pseudo, kernel_size, is_open)]
    found = spline_basis(*on, 1)
    torch.testing.assert_close(found[0].cpu(), wanted[0])
    assert torch.equal(found[1].cpu(), wanted[1])
    out = spline_conv(x.to(device), edges.to(device), on[0], weight.to(device), on[1], on[2], 1)
    torch.testing.assert_close(out.cpu(), conv_of_definition(x, edges, weight, *wanted))
print("equal on", " and ".join(devices))
