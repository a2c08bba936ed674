"""Triton's gRPC door in this process: serves a repository that was exported, on the CPU.

Built on Triton's own service definition; it reads `config.pbtxt` as Triton does and runs the network
that lies beside it.
"""

from concurrent import futures
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import grpc
import numpy as np
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2, service_pb2, service_pb2_grpc
from tritonclient.utils import np_to_triton_dtype, triton_to_np_dtype

from models.runtimes.engines import InstalledRuntime
from models.runtimes.providers import CPU


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Use as `with FakeTriton(folder) as server`.

    Attributes:
        fails: Status codes of the next requests, one each.
        asked: (network, batch) of every request that was answered.
    """

    def __init__(self, repository: Path, port: int = 0) -> None:
        self.fails: list[grpc.StatusCode] = []
        self.asked: list[tuple[str, int]] = []
        self._repository = repository
        self.renew()
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(self, self._server)
        self.url = f"127.0.0.1:{self._server.add_insecure_port(f'127.0.0.1:{port}')}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.stop(grace=None).wait()

    def renew(self) -> None:
        """Serve the newest version of what lies in the repository now, and no other."""
        self._configs: dict[str, Any] = {}
        self._versions: dict[str, str] = {}
        self._sessions: dict[str, Any] = {}
        for home in self._repository.iterdir():
            config = model_config_pb2.ModelConfig()
            text_format.Parse((home / "config.pbtxt").read_text(), config)
            newest = max(int(each.name) for each in home.iterdir() if each.name.isdecimal())
            network = (home / str(newest) / config.default_model_filename).read_bytes()
            self._configs[config.name] = config
            self._versions[config.name] = str(newest)
            self._sessions[config.name] = InstalledRuntime().open(network, [CPU])

    def _require(self, name: str, version: str, context: Any) -> None:
        if name not in self._configs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"unknown model '{name}'")
        if version not in ("", self._versions[name]):
            told = f"unknown model: '{name}' version {version} is not found"
            context.abort(grpc.StatusCode.NOT_FOUND, told)

    def ModelMetadata(self, request: Any, context: Any) -> Any:
        self._require(request.name, request.version, context)
        versions = [self._versions[request.name]]
        return service_pb2.ModelMetadataResponse(name=request.name, versions=versions)

    def ModelConfig(self, request: Any, context: Any) -> Any:
        self._require(request.name, request.version, context)
        return service_pb2.ModelConfigResponse(config=self._configs[request.name])

    def ModelInfer(self, request: Any, context: Any) -> Any:
        if self.fails:
            context.abort(self.fails.pop(0), "told to fail")
        self._require(request.model_name, request.model_version, context)
        inputs = {
            tensor.name: np.frombuffer(raw, triton_to_np_dtype(tensor.datatype)).reshape(
                tensor.shape
            )
            for tensor, raw in zip(request.inputs, request.raw_input_contents, strict=True)
        }
        names = [output.name for output in self._configs[request.model_name].output]
        try:
            answers = self._sessions[request.model_name].run(names, inputs)
        except Exception as error:  # noqa: BLE001  # whatever ONNX Runtime says, to the caller
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        self.asked.append((request.model_name, next(iter(inputs.values())).shape[0]))
        response = service_pb2.ModelInferResponse(model_name=request.model_name)
        for name, answer in zip(names, answers, strict=True):
            response.outputs.add(
                name=name, datatype=np_to_triton_dtype(answer.dtype), shape=answer.shape
            )
            response.raw_output_contents.append(np.ascontiguousarray(answer).tobytes())
        return response
