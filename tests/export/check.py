"""Checks ONNX files and runs them: each NAME.onnx of a folder must satisfy onnx.checker and give, in ONNX Runtime, what
NAME.npz says: `in:*` are inputs, `out:*` expected outputs, `tolerance` the largest accepted difference relative to the
largest expected value, or to a quarter of the largest input where that has all but vanished: the tail of GELU is a
difference of numbers near 1.

    python check.py FOLDER      (needs onnx, onnxruntime, numpy)
"""
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort


def failure(path):
    """What is wrong with one file, or None."""
    try:
        onnx.checker.check_model(str(path), full_check=True)
    except Exception as error:
        return f"onnx.checker: {error}"
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        arrays = np.load(path.with_suffix(".npz"))
        inputs = {name[3:]: arrays[name] for name in arrays.files if name.startswith("in:")}
        names = [name for name in arrays.files if name.startswith("out:")]
        outputs = session.run([name[4:] for name in names], inputs)
    except Exception as error:
        return f"ONNX Runtime: {error}"
    for name, found in zip(names, outputs):
        expected = arrays[name]
        if found.shape != expected.shape:
            return f"{name}: expected the shape {expected.shape}, found {found.shape}"
        difference = np.abs(found.astype(np.float64) - expected).max(initial=0.0)
        scale = max([np.abs(expected).max(initial=0.0), *(np.abs(x).max(initial=0.0) / 4 for x in inputs.values())])
        error = difference / max(scale, 1e-30)
        if not error <= arrays["tolerance"]:
            return f"{name}: error {error:.2e} exceeds {arrays['tolerance']:.0e}"
    return None


def main():
    paths = sorted(pathlib.Path(sys.argv[1]).glob("*.onnx"))
    failures = [f"{path.name}: {reason}" for path in paths if (reason := failure(path))]
    print(f"{len(paths) - len(failures)} of {len(paths)} agree", *failures, sep="\n")
    sys.exit(bool(failures) or not paths)


if __name__ == "__main__":
    main()
