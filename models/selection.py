"""Which model does which task: a pack, and what an operator chose instead for single tasks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from models.errors import ModelFileError
from models.manifest import Manifest, Model, ModelFile, Task, load_manifest

DEFAULT_PACK = "embedded"
OFF = "off"

TASKS: tuple[Task, ...] = get_args(Task)
GROUP_TASKS: Mapping[str, tuple[Task, ...]] = {
    "face": ("face_detection", "face_landmarks", "face_embedding", "head_pose", "gaze", "liveness"),
    "body": ("body",),
    "speech": ("voice",),
    "speakers": ("speakers",),
    "words": ("words",),
    "objects": ("objects",),
}
"""The tasks that each model group does; a group is what one deployment serves."""

ALWAYS: frozenset[Task] = frozenset(
    {"face_detection", "face_landmarks", "face_embedding", "head_pose", "gaze", "body", "voice"}
)
"""Tasks that cannot be switched off: the standard signals need them."""


@dataclass(frozen=True, slots=True)
class Selection:
    """A model for every task that is on.

    Attributes:
        manifest: Where they are described.
        chosen: Task -> name of the model.
    """

    manifest: Manifest
    chosen: Mapping[Task, str]

    def model(self, task: Task) -> Model | None:
        """The model of a task; None when the task is off."""
        name = self.chosen.get(task)
        return None if name is None else self.manifest.models[name]

    def files(self) -> tuple[str, ...]:
        """Every file that is needed, each once."""
        wanted = (
            file for name in self.chosen.values() for file in self.manifest.models[name].files
        )
        return tuple(dict.fromkeys(wanted))

    def groups(self) -> tuple[str, ...]:
        """The model groups that have something to do."""
        return tuple(
            group
            for group, tasks in GROUP_TASKS.items()
            if any(task in self.chosen for task in tasks)
        )

    def restricted(self) -> tuple[ModelFile, ...]:
        """The files whose terms an operator must accept by name."""
        wanted = set(self.files())
        return tuple(
            file
            for file in self.manifest.files
            if file.id in wanted and file.licence.accept is not None
        )


def select(
    pack: str = DEFAULT_PACK,
    instead: Mapping[str, str] | None = None,
    manifest: Manifest | None = None,
) -> Selection:
    """A pack's models, with others instead for some tasks (`off` for none).

    Raises:
        ModelFileError: In one line, with what there is: an unknown pack, task or model, a model of
            another task, or a task that cannot be switched off.
    """
    manifest = manifest or load_manifest()
    found = manifest.packs.get(pack)
    packs = [name for name, each in manifest.packs.items() if each.models]
    if found is None or not found.models:
        raise ModelFileError(f"no pack is called {pack}; there are: {', '.join(packs)}")
    chosen: dict[Task, str] = {task: name for task, name in found.models.items() if name}
    for task_name, name in (instead or {}).items():
        task = next((task for task in TASKS if task == task_name), None)
        if task is None:
            raise ModelFileError(f"no task is called {task_name}; there are: {', '.join(TASKS)}")
        if name == OFF:
            if task in ALWAYS:
                raise ModelFileError(f"{task} cannot be switched off")
            chosen.pop(task, None)
            continue
        model = manifest.models.get(name)
        if model is None or model.task != task:
            fitting = [known for known, each in manifest.models.items() if each.task == task]
            raise ModelFileError(
                f"no model for {task} is called {name}; there are: {', '.join(fitting) or 'none'}"
            )
        chosen[task] = name
    return Selection(manifest, chosen)
