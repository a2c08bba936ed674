"""Runs one of RayProctor's networks in Triton's python backend. Copied into the repository as model.py.

It runs in Triton's own interpreter and needs numpy and onnxruntime there, nothing of RayProctor.
"""

import json
import os
from typing import Any

NETWORK = "model.onnx"
GPU = "GPU"


class TritonPythonModel:
    """What the python backend looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the network that lies beside this file: one thread, the GPU that Triton assigned."""
        import onnxruntime as ort

        config = json.loads(args["model_config"])
        self._batched = config["max_batch_size"] > 0
        self._outputs = [output["name"] for output in config["output"]]
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers: list[Any] = ["CPUExecutionProvider"]
        cuda = "CUDAExecutionProvider"
        if args["model_instance_kind"] == GPU and cuda in ort.get_available_providers():
            providers.insert(0, (cuda, {"device_id": int(args["model_instance_device_id"])}))
        path = os.path.join(args["model_repository"], args["model_version"], NETWORK)
        self._session = ort.InferenceSession(path, options, providers=providers)
        self._inputs = [node.name for node in self._session.get_inputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """All requests that Triton gathered: one run when they fit together, else one by one."""
        import triton_python_backend_utils as pb

        asked = [
            [pb.get_input_tensor_by_name(request, name).as_numpy() for name in self._inputs]
            for request in requests
        ]
        if self._batched and len({tuple(each.shape[1:] for each in one) for one in asked}) == 1:
            return self._together(asked, pb)
        return [self._answered(self._run(one), pb) for one in asked]

    def _together(self, asked: list[Any], pb: Any) -> list[Any]:
        import numpy as np

        told = self._run([np.concatenate(arrays) for arrays in zip(*asked)])  # noqa: B905
        if isinstance(told, Exception):  # one of them spoiled the run
            return [self._answered(self._run(one), pb) for one in asked]
        answers, start = [], 0
        for one in asked:
            end = start + len(one[0])
            answers.append(self._answered([each[start:end] for each in told], pb))
            start = end
        return answers

    def _run(self, arrays: list[Any]) -> Any:
        try:
            return self._session.run(self._outputs, dict(zip(self._inputs, arrays)))  # noqa: B905
        except Exception as error:  # noqa: BLE001  # told to the one who asked
            return error

    def _answered(self, told: Any, pb: Any) -> Any:
        if isinstance(told, Exception):
            line = str(told).partition("\n")[0]
            return pb.InferenceResponse(output_tensors=[], error=pb.TritonError(line))
        tensors = [pb.Tensor(name, array) for name, array in zip(self._outputs, told)]  # noqa: B905
        return pb.InferenceResponse(output_tensors=tensors)
