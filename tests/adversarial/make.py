"""Reference attacks from torchattacks, on LeNet-5 with the weights of examples/data/digits and three of its digits.

Without random starts, so that there is one right answer; in float64, so that the signs of small gradients are right. Of each
adversarial image the file holds every sixteenth pixel, the Euclidean norm of what was added, and the network's logits.

    python tests/adversarial/make.py ../shared/goldens        (needs torch, torchattacks)  ->  lenet5.json beside this file
"""
import gzip, json, pathlib, struct, sys
import numpy as np
import torch
import torchattacks

sys.path.insert(0, sys.argv[1])
import make

HERE = pathlib.Path(__file__).parent
DATA = HERE / "../../examples/data/digits"
COUNT = 3


def tensors(path):
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    for name, info in json.loads(raw[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = info["data_offsets"]
            data = np.frombuffer(raw[8 + length + begin:8 + length + end], np.float32)
            yield name, torch.from_numpy(data.reshape(info["shape"]).copy())


def idx(name, skip):
    return np.frombuffer(gzip.decompress((DATA / name).read_bytes())[skip:], np.uint8)


net = make._lenet_class()()
net.load_state_dict(dict(tensors(DATA / "lenet5.safetensors")))
net = net.double().eval()
pixels = idx("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 28, 28)[:COUNT]
labels = torch.from_numpy(idx("t10k-labels-idx1-ubyte.gz", 8)[:COUNT].astype(np.int64))
images = torch.nn.functional.pad(torch.from_numpy(pixels.astype(np.float64) / 255)[:, None], (2, 2, 2, 2))

radius = dict(eps=0.1, alpha=0.02, steps=8)
attacks = {
    "fgsm": torchattacks.FGSM(net, eps=0.1),
    "fgsm towards": torchattacks.FGSM(net, eps=0.1),
    "bim": torchattacks.BIM(net, **radius),
    "pgd": torchattacks.PGD(net, **radius, random_start=False),
    "pgd towards": torchattacks.PGD(net, **radius, random_start=False),
    "pgd_l2": torchattacks.PGDL2(net, eps=1.5, alpha=0.3, steps=8, random_start=False),
    "deepfool": torchattacks.DeepFool(net, steps=50, overshoot=0.02),
}
results = {}
for name, attack in attacks.items():
    goal = labels
    if name.endswith("towards"):
        attack.set_mode_targeted_by_label(quiet=True)
        goal = (labels + 1) % 10
    rows = []
    for image, label in zip(images.split(1), goal.split(1)):
        moved = attack(image, label)
        rows.append(dict(pixels=[round(float(x), 7) for x in moved.flatten()[7::16]], norm=float((moved - image).norm()),
                         logits=[round(float(x), 5) for x in net(moved)[0]]))
    results[name] = rows
document = dict(digits=[image.flatten().tolist() for image in pixels], labels=labels.tolist(), attacks=results)
(HERE / "lenet5.json").write_text(json.dumps(document) + "\n")
