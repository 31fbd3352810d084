"""The three ONNX graphs of DeepFilterNet as one, in which ``network`` moves the joints."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

# What the graphs hand to each other keeps its name, everything else gets that of its graph before it.
_SHARED = {"feat_erb", "feat_spec", "e0", "e1", "e2", "e3", "emb", "c0", "lsnr", "m", "coefs"}
_EMBEDDED = "enc/Transpose_output_0"  # the deep filter's branch: rows, frames, bins, channels
_OLDER = 4  # frames in it that only the second convolution looks back at
_KERNELS = {"df_conv0.1.weight": (3, 3), "df_convp.1.weight": (5, 1)}  # in groups, which run slower than the whole

Floats = npt.NDArray[np.float32]


class Graph:
    """Nodes and weights, by name."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._weights: dict[str, Any] = {}

    def add(self, name: str, model: bytes) -> None:
        """Add the nodes of a serialised model."""
        graph = onnx.load_model_from_string(model).graph

        def full(old: str) -> str:
            return old if not old or old in _SHARED else f"{name}/{old.lstrip('/')}"

        for node in graph.node:
            node.name = full(node.name)
            for names in (node.input, node.output):
                names[:] = [full(old) for old in names]
        self._nodes += graph.node
        for weights in graph.initializer:
            weights.name = full(weights.name)
            self._weights[weights.name] = weights

    def look_back(self) -> None:
        """Take padding over time out: the inputs then begin as many frames earlier as the convolutions look back."""
        padded = {node.output[0]: node.input[0] for node in self._nodes if node.op_type == "Pad"}
        for node in self._nodes:
            node.input[:] = [padded.get(name, name) for name in node.input]
        self._nodes = [node for node in self._nodes if node.op_type != "Pad"]
        for ending, kernel in _KERNELS.items():
            grouped = (node for node in self._nodes if node.op_type == "Conv" and node.input[1].endswith(ending))
            self._fuse(next(grouped), kernel)
        for name, value in (("older", _OLDER), ("end", 1 << 62), ("time", 1)):
            self._weights[name] = numpy_helper.from_array(np.array([value], np.int64), name)
        place = next(index for index, node in enumerate(self._nodes) if _EMBEDDED in node.output)
        self._nodes[place].output[0] = "all_frames"
        self._nodes.insert(place + 1, helper.make_node("Slice", ["all_frames", "older", "end", "time"], [_EMBEDDED]))

    def _fuse(self, first: Any, kernel: tuple[int, int]) -> None:
        """Make one convolution of a grouped one and the pointwise one behind it; nothing bends between them."""
        second = next(node for node in self._nodes if first.output[0] in node.input)
        pointwise = numpy_helper.to_array(self._weights[second.input[1]])[:, :, 0, 0]
        grouped = numpy_helper.to_array(self._weights[first.input[1]])
        fused = np.ascontiguousarray(np.einsum("oi,ijkl->ojkl", pointwise, _dense(grouped)))
        self._weights[second.input[1]] = numpy_helper.from_array(fused, second.input[1])
        second.input[0] = first.input[0]
        side = kernel[1] // 2
        for attribute in second.attribute:
            if attribute.name == "kernel_shape":
                attribute.ints[:] = kernel
            elif attribute.name == "pads":
                attribute.ints[:] = [0, side, 0, side]
        self._nodes.remove(first)

    def carry_states(self) -> list[str]:
        """Make the first state of recurrent layer n the input ``hn``; gives the names of the last states."""
        layers = [node for node in self._nodes if node.op_type == "GRU"]
        for number, node in enumerate(layers):
            node.input[5] = f"h{number}"
        return [node.output[1] for node in layers]

    def rename(self, old: str, new: str) -> None:
        """Call a value otherwise."""
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]

    def part(self, inputs: Mapping[str, tuple[Any, ...]], outputs: list[str]) -> bytes:
        """Serialise what leads from ``inputs`` (with their shapes) to ``outputs``."""
        wanted, kept = set(outputs), []
        for node in reversed(self._nodes):
            if wanted.intersection(node.output) and not set(node.output) <= set(inputs):
                kept.append(node)
                wanted.update(node.input)
        kind = onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            kept[::-1],
            "part",
            [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
            [helper.make_tensor_value_info(name, kind, None) for name in outputs],
            [weights for name, weights in self._weights.items() if name in wanted],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)])
        model.ir_version = 8  # of the wheel's models' time: newer operators are not used
        return bytes(model.SerializeToString())


def _dense(grouped: Floats) -> Floats:
    """Write the weights of a convolution in two groups as those of one over all channels."""
    half, inputs = len(grouped) // 2, grouped.shape[1]
    dense = np.zeros((len(grouped), 2 * inputs, *grouped.shape[2:]), np.float32)
    dense[:half, :inputs], dense[half:, inputs:] = grouped[:half], grouped[half:]
    return dense
