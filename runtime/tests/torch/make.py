"""Writes the files of this folder, as PyTorch saves parameters:

    python make.py        (torch 2.x)

Elements count up from 0 in the order of their names, so that a test can tell them all.
"""
from pathlib import Path

import torch
from torch import nn

HERE = Path(__file__).parent


def filled(module):
    """The module with its parameters counted up."""
    at = 0
    with torch.no_grad():
        for name, tensor in sorted(module.state_dict().items()):
            if tensor.is_floating_point():
                tensor.copy_(torch.arange(at, at + tensor.numel(), dtype=tensor.dtype).reshape(tensor.shape))
                at += tensor.numel()
    return module


def network():
    return filled(nn.Sequential(nn.Conv2d(2, 3, (1, 2)), nn.BatchNorm2d(3)))


def save(value, name, **options):
    torch.save(value, HERE / name, **options)


net = network()
save(net.state_dict(), "state_dict.pth")
save(net.state_dict(), "protocol4.pth", pickle_protocol=4)
save(net.state_dict(), "before_1_6.pth", _use_new_zipfile_serialization=False)
save(net, "module.pth")

optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
net(torch.ones(1, 2, 2, 3)).sum().backward()
optimizer.step()
filled(net)
wrapped = nn.DataParallel(net)
checkpoint = {"epoch": 3, "arch": "net", "best": torch.tensor(0.5), "state_dict": wrapped.state_dict()}
save({**checkpoint, "optimizer": optimizer.state_dict()}, "checkpoint.pth")

count = torch.arange(24.0).reshape(1, 2, 3, 4)
views = {
    "channels_last": count.to(memory_format=torch.channels_last),
    "transposed": count.reshape(4, 6).T,
    "slice": count[0, 1, :, 1:3],
    "expanded": torch.tensor([7.0]).expand(2, 3),
    "empty": torch.zeros(0, 3),
    "scalar": torch.tensor(5.0),
    "float16": count[0, 0].half(),
    "bfloat16": count[0, 0].bfloat16(),
    "float64": count[0, 0].double(),
    "parameter": nn.Parameter(count[0, 1]),
}
save(views, "views.pth")
save({"ids": torch.arange(3)}, "integers.pth")
torch.jit.script(nn.ReLU()).save(HERE / "script.pt")
