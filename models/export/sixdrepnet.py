"""6DRepNet's checkpoint as ONNX: RepVGG-B1g2 in its deployed form and a linear layer of six.

The network after thohemp/6DRepNet and Ding et al. 2021 (RepVGG): 28 convolutions of 3x3, each with
a ReLU; every second one in two groups. Training left three branches per convolution, the published
checkpoints hold them folded into one (`rbr_reparam`).
"""

from typing import Any

from models.errors import ModelFileError
from models.export.checkpoint import fill, read_state, to_onnx, torch_for

TITLE = "6DRepNet"
SIDE_PX = 224
# (channels, convolutions) of each stage, the first convolution of a stage halving the picture
STAGES = ((64, 1), (128, 4), (256, 6), (512, 16), (2048, 1))
NUMBERS = 6


def network() -> Any:
    """The network, its weights not yet set: (n, 3, 224, 224) -> (n, 6)."""
    torch = torch_for(TITLE)
    nn = torch.nn
    Module: Any = nn.Module

    class Block(Module):  # type: ignore[misc]
        """One convolution of 3x3."""

        def __init__(self, channels: int, filters: int, stride: int, groups: int) -> None:
            super().__init__()
            self.rbr_reparam = nn.Conv2d(channels, filters, 3, stride, padding=1, groups=groups)

        def forward(self, x: Any) -> Any:
            return torch.relu(self.rbr_reparam(x))

    class SixDRepNet(Module):  # type: ignore[misc]
        """Layers named as in the public code."""

        def __init__(self) -> None:
            super().__init__()
            channels, index = 3, 0
            for at, (filters, count) in enumerate(STAGES):
                blocks = []
                for block in range(count):
                    groups = 2 if index and index % 2 == 0 else 1
                    blocks.append(Block(channels, filters, 1 if block else 2, groups))
                    channels, index = filters, index + 1
                stage = blocks[0] if at == 0 else nn.Sequential(*blocks)
                setattr(self, f"layer{at}", stage)
            self.linear_reg = nn.Linear(channels, NUMBERS)

        def forward(self, x: Any) -> Any:
            for at in range(len(STAGES)):
                x = getattr(self, f"layer{at}")(x)
            return self.linear_reg(x.mean(dim=(2, 3)))

    return SixDRepNet()


def sixdrepnet_to_onnx(content: bytes) -> bytes:
    """The bytes of the ONNX model: `images` (batch, 3, 224, 224) to `rotation` (batch, 6).

    Args:
        content: A published checkpoint (.pth), deployed form.

    Raises:
        ModelFileError: It is damaged, of another network or in training form, or torch is missing.
    """
    state = read_state(content, TITLE)
    if any("rbr_dense" in name for name in state):
        raise ModelFileError(
            "this 6DRepNet checkpoint is in training form: fold it with the project's convert.py first"
        )
    made = network()
    fill(made, state, TITLE)
    return to_onnx(made, SIDE_PX, ["rotation"])
