#!/usr/bin/env python3
"""Writes the node tests of the ONNX project into a folder, one folder for each case:

    NAME/model.onnx, NAME/input_0.pb …, NAME/output_0.pb …   serialized tensors
    NAME/tolerance.txt                                       relative, absolute

Usage: dump.py FOLDER. Needs `pip install onnx`, whose version says which cases there are; the list beside this script
is that of the version in requirements.txt.
"""

import pathlib
import random
import shutil
import sys

import numpy as np
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases


def tensor(value):
    """The bytes of a tensor; nothing for what is none: a sequence, or nothing at all."""
    if hasattr(value, "SerializeToString"):
        return value.SerializeToString()
    if isinstance(value, (np.ndarray, np.generic)):
        return numpy_helper.from_array(np.asarray(value)).SerializeToString()
    return b""


def main():
    folder = pathlib.Path(sys.argv[1])
    # Some cases are made of random numbers.
    random.seed(0)
    np.random.seed(0)
    cases = collect_testcases(None)
    # A half-written folder must not look like a whole one.
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    for case in cases:
        place = partial / case.name
        place.mkdir(parents=True)
        (place / "model.onnx").write_bytes(case.model.SerializeToString())
        (place / "tolerance.txt").write_text(f"{case.rtol} {case.atol}\n")
        inputs, outputs = case.data_sets[0]
        for kind, values in (("input", inputs), ("output", outputs)):
            for index, value in enumerate(values):
                (place / f"{kind}_{index}.pb").write_bytes(tensor(value))
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    print(f"{len(cases)} cases in {folder}")


main()
