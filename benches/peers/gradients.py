"""Time of gradients, float32, of Convoke and of PyTorch, in one interleaved run.

By the image: ResNet-50 and MobileNet v2, one image. By all parameters, as a step of training asks for: LeNet-5 and
ResNet-20 of CIFAR, a batch (`steps.cnn` beside this file). Each is that of the outputs times a cotangent, forward pass
included, batch normalisation by its running statistics. PyTorch runs in its default layout and in channels_last, and the
faster counts. Both have the same weights, and are compared with PyTorch in float64. See README.md beside this file.
"""
import copy
import json
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

from compare import LEAST_RUNS, Convoke, arguments, compare, image, mean, ratio

STEPS = pathlib.Path(__file__).with_name("steps.cnn")
# Of the largest expected value. In a deep network a ReLU here and there is so near its kink that float32 opens it and
# float64 does not, in either engine, and then all that passes it differs.
TOLERANCE = 5e-2


class Block(nn.Module):
    """Two 3×3 convolutions beside the identity or a projection."""

    def __init__(self, inputs, width, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, x):
        main = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(main + (self.downsample(x) if self.downsample else x))


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.bn1, self.fc = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.Linear(64, 10)
        layer = lambda i: nn.Sequential(*[
            Block(max(8 << i, 16) if j == 0 else 16 << i, 16 << i, 2 if i > 0 and j == 0 else 1) for j in range(3)])
        self.layer1, self.layer2, self.layer3 = map(layer, range(3))

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x))))))
        return self.fc(x.mean((2, 3)))


class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = nn.Conv2d(1, 6, 5), nn.Conv2d(6, 16, 5), nn.Conv2d(16, 120, 5)
        self.fc1, self.fc2 = nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x):
        for conv in (self.conv1, self.conv2):
            x = nn.functional.avg_pool2d(torch.tanh(conv(x)), 2)
        x = torch.tanh(self.conv3(x)).flatten(1)
        return self.fc2(torch.tanh(self.fc1(x)))


def of_zoo(name):
    def build():
        import torchvision
        return getattr(torchvision.models, name)(weights=None)
    return build


# What a network is called, what Convoke calls it, PyTorch's, the shape of its input, and what it is differentiated by.
NETWORKS = {
    "resnet50": (["resnet50"], of_zoo("resnet50"), (1, 3, 224, 224), "inputs"),
    "mobilenet_v2": (["mobilenet_v2"], of_zoo("mobilenet_v2"), (1, 3, 224, 224), "inputs"),
    "lenet5_step": ([str(STEPS), "--name", "LeNet5"], LeNet5, (64, 1, 32, 32), "parameters"),
    "resnet20_step": ([str(STEPS), "--name", "ResNet20"], ResNet20, (128, 3, 32, 32), "parameters"),
}


class Torch:
    """PyTorch, in its faster layout."""

    name = "PyTorch"

    def __init__(self, net, x, cotangent, by):
        self.by, self.cotangent = by, cotangent
        layouts = [torch.contiguous_format, torch.channels_last]
        times = []
        for layout in layouts:
            self.net, self.x = net.to(memory_format=layout), x.contiguous(memory_format=layout)
            times.append(self.time(0.3)[1])
        best = layouts[times.index(min(times))]
        self.net, self.x = net.to(memory_format=best), x.contiguous(memory_format=best)
        self.layout = "channels_last" if best == torch.channels_last else "default"

    def run(self):
        """Outputs and gradients."""
        inputs = self.by == "inputs"
        x = self.x.detach().requires_grad_(inputs)
        y = self.net(x)
        return y, torch.autograd.grad(y, [x] if inputs else list(self.net.parameters()), self.cotangent)

    def time(self, seconds):
        self.run()
        times, start = [], time.perf_counter()
        while len(times) < LEAST_RUNS or time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            self.run()
            times.append(time.perf_counter() - begin)
        return statistics.median(times), min(times)


def check(options, called, peer):
    """The errors of Convoke and of PyTorch: the largest of a gradient, relative to its largest value in float64."""
    names = ["image"] if peer.by == "inputs" else [name for name, _ in peer.net.named_parameters()]
    exact = Torch.__new__(Torch)
    exact.net, exact.x, exact.cotangent = copy.deepcopy(peer.net).double(), peer.x.double(), peer.cotangent.double()
    exact.by = peer.by
    (y, expected), (_, found) = exact.run(), peer.run()
    arrays = {"in:image": peer.x, "in:logits.cotangent": peer.cotangent, "out:logits": y.float()}
    arrays |= {f"out:{name}.gradient": gradient.float() for name, gradient in zip(names, expected)}
    path = options.cache / "gradients.npz"
    np.savez(path, **{name: np.ascontiguousarray(value.detach().numpy()) for name, value in arrays.items()})
    report = subprocess.run([options.convoke, "check", *called, "--npz", str(path), "--tolerance", str(TOLERANCE),
                             "--json"], capture_output=True, text=True)
    if not report.stdout:
        sys.exit(f"{called}: {report.stderr}")
    worst = max(json.loads(report.stdout)["outputs"], key=lambda output: float(output["error"] or "inf"))
    if not worst["agrees"]:
        sys.exit(f"{called}: {worst['name']} differs by {worst['error']}")
    theirs = max(float((a - b).abs().max() / b.abs().max()) for a, b in zip(found, expected))
    return {"Convoke": worst["error"], "PyTorch": theirs}


def measure(options, network, threads):
    """Both engines on one network, by turns."""
    called, build, shape, by = NETWORKS[network]
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    net = build().eval()
    for name, buffer in net.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 1.5)
    weights = options.cache / f"{network}.pth"
    state = {name: value for name, value in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    torch.save({name: value.contiguous() for name, value in state.items()}, weights)
    x = torch.from_numpy(image(shape))
    with torch.no_grad():
        cotangent = torch.empty_like(net(x)).uniform_(-1, 1)
    called = [*called, "--gradient", by, "--weights", str(weights)]
    peer = Torch(net, x, cotangent, by)
    errors = check(options, called, peer)
    convoke = Convoke(options.convoke, called, threads, options.seconds)
    times = {"Convoke": [], "PyTorch": []}
    for turn in range(options.rounds):
        turns = [("Convoke", lambda: convoke.time(None, None)), ("PyTorch", lambda: peer.time(options.seconds))]
        for name, run in turns[turn % 2:] + turns[:turn % 2]:
            times[name].append(run())
    convoke.close()
    result = {name: {"median_ms": 1e3 * statistics.median(median for median, _ in rounds),
                     "minimum_ms": 1e3 * min(minimum for _, minimum in rounds)} for name, rounds in times.items()}
    return {"network": network, "by": by, "shape": shape, "threads": threads, "times": result, "errors": errors,
            "layout": peer.layout, "percent_of_peak": 1e5 * convoke.flop / convoke.peak / result["Convoke"]["minimum_ms"]}


def report(results):
    """The tables of docs/gradients.md."""
    rows, counts = results["rows"], results["threads"]
    find = {(row["network"], row["threads"]): row for row in rows}
    lines = [
        "```sh", results["command"], "```", "",
        f"- {results['date']}, {results['machine']}; Convoke {results['convoke']}, PyTorch {results['peers']['PyTorch']}",
        f"- Milliseconds with {' / '.join(map(str, counts))} thread{'s' * (max(counts) > 1)}: the shortest run of "
        f"{results['rounds']} rounds of {results['seconds']} s, in which the two take turns. The machine's load average was "
        f"{results['load']:.1f} at the beginning.",
        "- Errors: the largest difference of a gradient from PyTorch's in float64, relative to its largest value.", "",
        "| gradient | batch | Convoke | PyTorch | ratio | % of peak | errors |", "| --- | ---: |" + " ---: |" * 5,
    ]
    for network in results["networks"]:
        first = find[network, counts[0]]
        cell = lambda form: " / ".join(form(find[network, threads]) for threads in counts)
        time_of = lambda engine: cell(lambda row: f"{row['times'][engine]['minimum_ms']:.3g}")
        cells = [str(first["shape"][0]), time_of("Convoke"), time_of("PyTorch"),
                 cell(lambda row: f"{ratio(row, 'minimum_ms'):.2f}"), cell(lambda row: f"{row['percent_of_peak']:.0f}"),
                 " / ".join(f"{first['errors'][engine]:.0e}" for engine in ("Convoke", "PyTorch"))]
        lines.append(f"| {network} by {first['by']} | " + " | ".join(cells) + " |")
    lines.append("")
    for threads in counts:
        means = [mean(ratio(find[network, threads], statistic) for network in results["networks"])
                 for statistic in ("minimum_ms", "median_ms")]
        lines.append(f"- {threads} thread{'s' * (threads > 1)}: geometric mean of the ratios {means[0]:.2f}; of those of the "
                     f"rounds' medians {means[1]:.2f}.")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    compare(arguments(__doc__, list(NETWORKS), rounds=5, seconds=0.5), {"PyTorch": "torch"}, measure, report)
