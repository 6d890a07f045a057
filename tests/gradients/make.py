"""Reference gradients from PyTorch, for networks with synthetic weights.

Parameters, image and networks are those of the reference outputs (`make.py` in their folder, whose formula is in
src/synthetic.rs). The loss is `sum(cotangent * logits)`, with `cotangent = 2u - 1` of the name "cotangent". Everything is
computed in float64, so that what differs is the roundings of float32 alone. Of the gradients by the image and by twelve
parameters from the first to the last, a file holds the norm, the largest absolute value, and eight elements each, at
`(2k + 1) * size // 16`.

    python tests/gradients/make.py ../shared/goldens        (needs torch, torchvision, timm)  ->  NAME.json beside this file
"""
import json, pathlib, sys
import numpy as np
import torch

GOLDENS = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(GOLDENS))
import make

NAMES = ["lenet5", "resnet18", "resnet50", "densenet121", "mobilenet_v1", "mobilenet_v2", "seresnet50", "efficientnet_b0"]


def table():
    import torchvision.models as tv
    known = make.table()
    known["vgg16"] = ("torchvision", lambda: tv.vgg16(weights=None), (1, 3, 224, 224), 2.0, 1.0)
    known["squeezenet1_1"] = ("torchvision", lambda: tv.squeezenet1_1(weights=None), (1, 3, 224, 224), 2.0, 1.0)
    return known


def summary(gradient):
    flat = gradient.flatten()
    picks = [(2 * k + 1) * flat.numel() // 16 for k in range(8)]
    return dict(shape=list(gradient.shape), norm=float(flat.norm()), largest=float(flat.abs().max()),
                samples=[float(flat[i]) for i in picks])


def run(name, source, build, shape, gain, gamma):
    net = build().eval()
    state = {key: torch.from_numpy(make.synthetic(key, tuple(value.shape), gain, gamma))
             for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    net.load_state_dict(state, strict=False)
    net = net.double()
    image = torch.from_numpy(make.synthetic("input", shape, gain, gamma)).double().requires_grad_()
    logits = net(image)
    cotangent = 2 * make.uniform("cotangent", logits.numel()) - np.float32(1)
    (logits * torch.from_numpy(cotangent).double().reshape(logits.shape)).sum().backward()
    parameters = list(net.named_parameters())
    picks = sorted({round(i * (len(parameters) - 1) / 11) for i in range(12)})
    gradients = {"image": summary(image.grad)}
    gradients |= {parameters[i][0]: summary(parameters[i][1].grad) for i in picks}
    document = dict(model=name, source=source, input=list(shape), gain=gain, gamma=gamma, gradients=gradients)
    path = pathlib.Path(__file__).parent / f"{name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(name, path.stat().st_size, "bytes", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    known = table()
    for name in sys.argv[2:] or NAMES + ["vgg16", "squeezenet1_1"]:
        run(name, *known[name])
