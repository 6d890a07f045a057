"""Reference training by PyTorch, in float64: five steps of a small network with batch normalisation, for each optimiser, its
schedule's rates and a loss. The file holds the losses and some of the parameters after the last step.

    python tests/train/make.py        (needs torch)  ->  torch.json beside this file
"""
import json, pathlib
import torch
from torch import nn

STEPS, BATCH = 5, 4
MASK = (1 << 64) - 1


def uniform(name, count):
    """Numbers in [0, 1) that follow from a name: src/synthetic.rs."""
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = (h ^ byte) * 0x100000001B3 & MASK
    values = []
    for i in range(1, count + 1):
        z = h + i * 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        values.append(((z ^ z >> 31) >> 40) / 2**24)
    return torch.tensor(values, dtype=torch.float64)


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.conv2, self.bn2 = nn.Conv2d(6, 10, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(10)
        self.fc1, self.bn3, self.fc2 = nn.Linear(10, 7, bias=False), nn.BatchNorm1d(7), nn.Linear(7, 3)

    def forward(self, x):
        x = self.bn1(self.conv1(x)).relu()
        x = self.bn2(self.conv2(x)).tanh().mean((2, 3))
        return self.fc2(self.bn3(self.fc1(x)).relu())


def network():
    net = Small().double()
    state = {}
    for name, tensor in net.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        values = uniform(name, tensor.numel()).reshape(tensor.shape)
        state[name] = values + 0.5 if tensor.dim() == 1 and name.endswith(("weight", "var")) else values - 0.5
    net.load_state_dict(state, strict=False)
    return net.train()


entropy = nn.CrossEntropyLoss(label_smoothing=0.1)
classes = lambda step: torch.tensor([(step + i) % 3 for i in range(BATCH)])
one_hot = lambda step: nn.functional.one_hot(classes(step), 3).double()
by_class = lambda z, step: entropy(z, classes(step))
squared = lambda z, step: nn.functional.mse_loss(z, one_hot(step))
binary = lambda z, step: nn.functional.binary_cross_entropy_with_logits(z, one_hot(step))
SGD, Adam, AdamW = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
RUNS = {
    "sgd": (by_class, lambda p: SGD(p, lr=0.1, weight_decay=0.01)),
    "momentum": (squared, lambda p: SGD(p, lr=0.05, momentum=0.9, weight_decay=0.01)),
    "nesterov": (binary, lambda p: SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
    "adam": (by_class, lambda p: Adam(p, lr=0.01, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1)),
    "adamw": (by_class, lambda p: AdamW(p, lr=0.01, betas=(0.9, 0.999), eps=1e-6, weight_decay=0.1)),
}
KEPT = ["bn1.weight", "bn1.running_mean", "bn1.running_var", "bn2.bias", "bn2.running_var", "bn3.running_mean",
        "bn3.running_var", "fc2.weight"]
result = {}
for run, (loss_of, optimizer_of) in RUNS.items():
    net = network()
    optimizer = optimizer_of(net.parameters())
    losses = []
    for step in range(STEPS):
        optimizer.zero_grad()
        loss = loss_of(net(uniform(f"images.{step}", BATCH * 3 * 64).reshape(BATCH, 3, 8, 8) - 0.5), step)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    state = net.state_dict()
    result[run] = {"losses": losses, "parameters": {name: [round(x, 9) for x in state[name].flatten().tolist()] for name in KEPT}}
pathlib.Path(__file__).with_name("torch.json").write_text(json.dumps(result, indent=1).replace("\n    ", " ").replace("\n   ", "") + "\n")
