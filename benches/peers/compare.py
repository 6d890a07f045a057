"""Latency of one image, float32, of Convoke and of ONNX Runtime, OpenVINO and ncnn, in one interleaved run.

Each network is exported by `convoke export` with synthetic weights; every engine gets that file. For each number of
threads all engines are loaded and then timed by turns, in several rounds whose order rotates, so that whatever else
the machine does meets all of them. Outputs must agree. See README.md beside this file.
"""
import argparse
import datetime
import importlib.metadata
import json
import math
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

import numpy as np

NETWORKS = ["lenet5", "resnet18", "resnet50", "densenet121", "mobilenet_v1", "mobilenet_v2", "seresnet50",
            "efficientnet_b0", "vgg16", "squeezenet1_1"]
# Of the largest expected value; ncnn's Winograd is the least exact.
TOLERANCE = 1e-4
# A turn lasts as long as asked, and so many runs at least.
LEAST_RUNS = 3


class Peer:
    """An engine in this process."""

    def time(self, x, seconds):
        """The seconds of runs, after one that warms up; `seconds` in all."""
        self.run(x)
        times, start = [], time.perf_counter()
        while len(times) < LEAST_RUNS or time.perf_counter() - start < seconds:
            begin = time.perf_counter()
            self.run(x)
            times.append(time.perf_counter() - begin)
        return statistics.median(times), min(times)

    def close(self):
        pass


class OnnxRuntime(Peer):
    name = "ONNX Runtime"
    package = "onnxruntime"

    def __init__(self, path, threads):
        import onnxruntime as ort
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.input, self.output = self.session.get_inputs()[0], self.session.get_outputs()[0].name

    def run(self, x):
        return self.session.run([self.output], {self.input.name: x})[0]


class OpenVino(Peer):
    name = "OpenVINO"
    package = "openvino"

    def __init__(self, path, threads):
        import openvino as ov
        core = ov.Core()
        self.model = core.compile_model(core.read_model(str(path)), "CPU", {
            "PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32"})
        self.request = self.model.create_infer_request()

    def run(self, x):
        # The tensors are shared, not copied.
        return self.request.infer({0: x}, share_inputs=True, share_outputs=True)[0]


class Ncnn(Peer):
    name = "ncnn"
    package = "ncnn"

    def __init__(self, path, threads):
        import ncnn
        self.ncnn = ncnn
        param = convert(path)
        self.net = ncnn.Net()
        self.net.opt.num_threads = threads
        self.net.opt.use_vulkan_compute = False
        for half in ("use_fp16_packed", "use_fp16_storage", "use_fp16_arithmetic", "use_bf16_storage"):
            setattr(self.net.opt, half, False)
        if self.net.load_param(str(param)) or self.net.load_model(str(param.with_suffix(".bin"))):
            raise RuntimeError(f"ncnn does not load {param}")

    def run(self, x):
        extractor = self.net.create_extractor()
        extractor.input("in0", self.ncnn.Mat(x[0]))
        return np.array(extractor.extract("out0")[1])[None]


def convert(path):
    """The ncnn files of an ONNX file, by pnnx."""
    param = path.with_suffix(".ncnn.param")
    if not param.exists() or param.stat().st_mtime < path.stat().st_mtime:
        beside = pathlib.Path(sys.executable).with_name("pnnx")
        pnnx = str(beside) if beside.exists() else shutil.which("pnnx")
        if not pnnx:
            raise RuntimeError("ncnn needs `pnnx`: pip install pnnx")
        # Weights stay float32.
        subprocess.run([pnnx, path.name, "fp16=0"], cwd=path.parent, check=True, capture_output=True)
    return param


class Convoke:
    """Convoke in a process of its own, which measures on request."""
    name = "Convoke"

    def __init__(self, command, network, threads, seconds):
        """`network` is what the command calls it, with options of its own if it is a list."""
        network = [network] if isinstance(network, str) else network
        arguments = [command, "bench", *network, "--threads", str(threads), "--seconds", str(seconds), "--on-request"]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.flop, self.peak = 0.0, 0.0

    def time(self, _, __):
        print(file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError("convoke bench ended early")
        report = json.loads(answer)
        self.flop, self.peak = 2.0 * report["macs"], 1e9 * report["peak_gflops"]
        return report["median_ms"] / 1e3, report["minimum_ms"] / 1e3

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def image(shape):
    """An image of smooth patches and noise."""
    generator = np.random.default_rng(0)
    coarse = generator.uniform(-1.5, 1.5, (*shape[:2], 8, 8))
    patches = coarse.repeat(-(-shape[2] // 8), 2).repeat(-(-shape[3] // 8), 3)[:, :, :shape[2], :shape[3]]
    return np.ascontiguousarray(patches + generator.uniform(-0.5, 0.5, shape), dtype=np.float32)


def error(found, expected):
    """The largest difference relative to the largest expected value."""
    return float(np.abs(found.reshape(expected.shape) - expected).max() / np.abs(expected).max())


def measure(options, network, threads):
    """All engines on one network, by turns."""
    path = options.cache / f"{network}.onnx"
    if not path.exists():
        subprocess.run([options.convoke, "export", network, "--onnx", str(path)], check=True, capture_output=True)
    peers, reasons = [], {}
    for engine in (OnnxRuntime, OpenVino, Ncnn):
        try:
            peers.append(engine(path, threads))
        except Exception as reason:  # An engine that is missing or fails is reported, not hidden.
            reasons[engine.name] = str(reason)
    if not peers or peers[0].name != OnnxRuntime.name:
        sys.exit(f"{network}: ONNX Runtime gives the reference outputs: {reasons}")
    x = image(peers[0].input.shape)
    expected = peers[0].run(x)
    errors = {peer.name: error(peer.run(x), expected) for peer in peers[1:]}
    arrays = options.cache / f"{network}.npz"
    np.savez(arrays, **{"in:image": x, "out:expected": expected})
    check = subprocess.run([options.convoke, "check", network, "--npz", str(arrays), "--tolerance", str(TOLERANCE),
                            "--json"], capture_output=True, text=True)
    if not check.stdout:
        sys.exit(f"{network}: {check.stderr}")
    errors["Convoke"] = json.loads(check.stdout)["outputs"][0]["error"]
    for name, value in errors.items():
        if value is None or not value <= TOLERANCE:
            reasons[name] = f"its output differs by {value}"
    convoke = Convoke(options.convoke, network, threads, options.seconds)
    engines = [convoke, *(peer for peer in peers if peer.name not in reasons)]
    times = {engine.name: [] for engine in engines}
    for turn in range(options.rounds):
        for engine in engines[turn % len(engines):] + engines[:turn % len(engines)]:
            times[engine.name].append(engine.time(x, options.seconds))
    for engine in engines:
        engine.close()
    result = {name: {"median_ms": 1e3 * statistics.median(median for median, _ in rounds),
                     "minimum_ms": 1e3 * min(minimum for _, minimum in rounds)} for name, rounds in times.items()}
    return {"network": network, "threads": threads, "times": result, "errors": errors, "left_out": reasons,
            "percent_of_peak": 1e5 * convoke.flop / convoke.peak / result["Convoke"]["minimum_ms"]}


def ratio(row, statistic):
    """The fastest peer's time over Convoke's."""
    times = {name: time[statistic] for name, time in row["times"].items()}
    ours = times.pop("Convoke")
    return min(times.values()) / ours


def machine():
    """Processor and cores."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{model}, {sum(line.startswith('processor') for line in lines)} cores, {platform.system()}"


def mean(values):
    """The geometric mean."""
    return math.exp(statistics.fmean(map(math.log, values)))


def report(results):
    """The page docs/performance.md."""
    rows, counts = results["rows"], results["threads"]
    engines = ["Convoke", OnnxRuntime.name, OpenVino.name, Ncnn.name]
    find = {(row["network"], row["threads"]): row for row in rows}

    def cell(network, form):
        return " / ".join(form(find[network, threads]) for threads in counts)

    def milliseconds(engine):
        return lambda row: f"{row['times'][engine]['minimum_ms']:.3g}" if engine in row["times"] else "–"

    lines = [
        "# Performance", "",
        "How the peers are set up and what the command needs is in [benches/peers](../benches/peers/README.md).", "",
        "```sh", results["command"], "```", "",
        f"- {results['date']}, {results['machine']}",
        f"- Convoke {results['convoke']}; " + ", ".join(f"{name} {version}" for name, version in results["peers"].items()),
        f"- One image, float32, milliseconds with {' / '.join(map(str, counts))} thread{'s' * (max(counts) > 1)}: the "
        f"shortest run of {results['rounds']} rounds of {results['seconds']} s, in which engines take turns. What else the "
        f"machine does only adds to a run; its load average was {results['load']:.1f} at the beginning.",
        "- Ratio: the fastest peer's time over Convoke's; above 1, Convoke is faster.", "",
        f"| network | {' | '.join(engines)} | ratio | % of peak |",
        "| --- |" + " ---: |" * (len(engines) + 2),
    ]
    for network in results["networks"]:
        cells = [cell(network, milliseconds(engine)) for engine in engines]
        cells += [cell(network, lambda row: f"{ratio(row, 'minimum_ms'):.2f}")]
        cells += [cell(network, lambda row: f"{row['percent_of_peak']:.0f}")]
        lines.append(f"| {network} | " + " | ".join(cells) + " |")
    lines.append("")
    for threads in counts:
        means = [mean(ratio(find[network, threads], statistic) for network in results["networks"])
                 for statistic in ("minimum_ms", "median_ms")]
        lines.append(f"- {threads} thread{'s' * (threads > 1)}: geometric mean of the ratios {means[0]:.2f}; "
                     f"of those of the rounds' medians {means[1]:.2f}.")
    lines += ["", "Of the peak: 2 · MAC over time, against the FMAs on registers that as many cores do, measured in the "
              "same run. More than 100 % is Winograd's, which needs fewer multiplications.", "", "## Where Convoke loses", ""]
    lost = [row for row in rows if ratio(row, "minimum_ms") < 1]
    for row in lost:
        times = {name: time["minimum_ms"] for name, time in row["times"].items() if name != "Convoke"}
        best = min(times, key=times.get)
        lines.append(f"- {row['network']}, {row['threads']} thread{'s' * (row['threads'] > 1)}: {best} takes "
                     f"{times[best]:.3g} ms, Convoke {row['times']['Convoke']['minimum_ms']:.3g}.")
    lines += [] if lost else ["Nowhere in this table."]
    lines += [""] if any(row["left_out"] for row in rows) else []
    left_out = {}
    for row in rows:
        for name, reason in row["left_out"].items():
            left_out.setdefault((name, reason), []).append(f"{row['network']} ({row['threads']})")
    lines += [f"- {name} is left out of {', '.join(where)}: {reason}" for (name, reason), where in left_out.items()]
    return "\n".join(lines) + "\n"


def arguments(document, networks, rounds, seconds):
    """The options of a comparison that is documented so, with these defaults."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--convoke", default="target/release/convoke", help="the command")
    parser.add_argument("--networks", nargs="+", default=networks)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="of each turn")
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path("target/peers"), help="for files in between")
    parser.add_argument("--json", type=pathlib.Path, help="where to write all numbers")
    parser.add_argument("--markdown", type=pathlib.Path, help="where to write the page")
    options = parser.parse_args()
    options.convoke = str(pathlib.Path(options.convoke).resolve())
    options.cache.mkdir(parents=True, exist_ok=True)
    return options


def compare(options, packages, measure, report):
    """Measures all networks with all numbers of threads, and writes numbers and page."""
    version = subprocess.run([options.convoke, "--version"], check=True, capture_output=True, text=True).stdout.split()[1]
    results = {
        "command": " ".join(["python3", *sys.argv]), "date": datetime.date.today().isoformat(), "machine": machine(),
        "load": os.getloadavg()[0], "convoke": version,
        "peers": {name: importlib.metadata.version(package) for name, package in packages.items()},
        "networks": options.networks, "threads": options.threads, "rounds": options.rounds, "seconds": options.seconds,
        "rows": []}
    for network in options.networks:
        for threads in options.threads:
            row = measure(options, network, threads)
            results["rows"].append(row)
            times = "  ".join(f"{name} {time['minimum_ms']:.3f}" for name, time in row["times"].items())
            print(f"{network:16} {threads} threads  {times}  ratio {ratio(row, 'minimum_ms'):.2f}", file=sys.stderr, flush=True)
    page = report(results)
    print(page)
    if options.markdown:
        options.markdown.write_text(page)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


def main():
    options = arguments(__doc__, NETWORKS, rounds=7, seconds=0.4)
    for stale in options.cache.glob("*.onnx"):
        stale.unlink()
    compare(options, {peer.name: peer.package for peer in (OnnxRuntime, OpenVino, Ncnn)}, measure, report)


if __name__ == "__main__":
    main()
