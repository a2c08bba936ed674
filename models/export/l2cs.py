"""L2CS-Net's checkpoint as ONNX: a ResNet-50 with one linear layer per angle.

The network after Ahmednull/L2CS-Net and He et al. 2016, in torchvision's later form (the stride is
on a block's 3x3 convolution). The checkpoint also holds `fc_finetune`, a layer of an earlier
experiment that nothing reads.
"""

from typing import Any

from models.export.checkpoint import fill, read_state, to_onnx, torch_for

TITLE = "L2CS-Net (ResNet-50, 90 bins)"
SIDE_PX = 448
BINS = 90
# (width, blocks) of each stage; a block widens fourfold
STAGES = ((64, 3), (128, 4), (256, 6), (512, 3))
WIDENS = 4
UNUSED = "fc_finetune."


def network() -> Any:
    """The network, its weights not yet set: (n, 3, 448, 448) -> twice (n, 90), across and up."""
    torch = torch_for(TITLE)
    nn = torch.nn
    Module: Any = nn.Module

    class Bottleneck(Module):  # type: ignore[misc]
        """1x1, 3x3, 1x1, and the way around them."""

        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.conv3 = nn.Conv2d(width, width * WIDENS, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(width * WIDENS)
            self.downsample: Any = None
            if stride != 1 or channels != width * WIDENS:
                self.downsample = nn.Sequential(
                    nn.Conv2d(channels, width * WIDENS, 1, stride, bias=False),
                    nn.BatchNorm2d(width * WIDENS),
                )

        def forward(self, x: Any) -> Any:
            around = x if self.downsample is None else self.downsample(x)
            x = torch.relu(self.bn1(self.conv1(x)))
            x = torch.relu(self.bn2(self.conv2(x)))
            return torch.relu(self.bn3(self.conv3(x)) + around)

    class L2cs(Module):  # type: ignore[misc]
        """Layers named as in the public code."""

        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(64)
            self.maxpool = nn.MaxPool2d(3, 2, padding=1)
            channels = 64
            for at, (width, count) in enumerate(STAGES, start=1):
                blocks = []
                for block in range(count):
                    blocks.append(Bottleneck(channels, width, 2 if at > 1 and not block else 1))
                    channels = width * WIDENS
                setattr(self, f"layer{at}", nn.Sequential(*blocks))
            self.fc_yaw_gaze = nn.Linear(channels, BINS)
            self.fc_pitch_gaze = nn.Linear(channels, BINS)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
            for at in range(1, len(STAGES) + 1):
                x = getattr(self, f"layer{at}")(x)
            x = x.mean(dim=(2, 3))
            return self.fc_yaw_gaze(x), self.fc_pitch_gaze(x)

    return L2cs()


def l2cs_to_onnx(content: bytes) -> bytes:
    """The bytes of the ONNX model: `images` (batch, 3, 448, 448) to `yaw`, `pitch` (batch, 90).

    Args:
        content: A published checkpoint (.pkl).

    Raises:
        ModelFileError: It is damaged, or of another network or number of bins, or torch is missing.
    """
    state = read_state(content, TITLE)
    made = network()
    fill(made, {n: t for n, t in state.items() if not n.startswith(UNUSED)}, TITLE)
    return to_onnx(made, SIDE_PX, ["yaw", "pitch"])
