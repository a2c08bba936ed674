"""YAML as data and nothing else: no references, no keys given twice, no objects."""

import json
from collections import Counter
from collections.abc import Hashable
from typing import Any

import yaml

UNREADABLE = (
    *(yaml.YAMLError, TypeError, ValueError, RecursionError),
    *(AttributeError, LookupError),  # PyYAML's own, for `!!timestamp x`, `!!bool x`, `!!int ""`
)
"""What reading a text that is no such YAML raises."""


DIRECTION_CHARS = frozenset(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
"""Characters that change the direction in which others are shown: a text with them may deceive."""


class PlainLoader(yaml.SafeLoader):
    """YAML without references (they can grow without bound) and without keys given twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """A part of the text; a reference is none."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("references (&, *) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; of two equal keys neither is taken."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        twice = sorted(key for key, times in keys.items() if times > 1)
        if twice:
            raise yaml.YAMLError(f"{', '.join(twice)}: given twice")
        return super().construct_mapping(node, deep)


class PlainDumper(yaml.SafeDumper):
    """Writes what `PlainLoader` reads: everything in full, never a reference."""

    def ignore_aliases(self, data: object) -> bool:
        """Whatever it is, it is written again."""
        return True


def read_plain(text: str) -> tuple[Any, str]:
    """(the value, the same as JSON). Raises one of `UNREADABLE`."""
    tree = yaml.load(text, Loader=PlainLoader)
    return tree, json.dumps(tree)


def write_plain(tree: Any) -> str:
    """The value as YAML, in the order of its keys."""
    return yaml.dump(tree, Dumper=PlainDumper, allow_unicode=True, sort_keys=False, width=120)
