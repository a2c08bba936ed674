"""A run's folder: what is finished stays finished, what was cut short is done again."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.run_folder import Block, RunFolder
from proctor.domain.errors import InvalidInput

ITEMS = ["a", "b", "c", "d", "e"]


def opened(folder: Path, **other: object) -> RunFolder:
    asked: dict[str, object] = {
        "job": "rescore",
        "parameters": {"policy": "own"},
        "items": ITEMS,
        "block_size": 2,
    }
    return RunFolder.open(folder, **(asked | other))  # type: ignore[arg-type]


def rows(block: Block) -> pa.Table:
    places = [block.first + at for at in range(len(block.items))]
    return pa.table(
        {"item": places, "block": [block.number] * len(places), "told": list(block.items)}
    )


def test_blocks_that_are_written_are_not_done_again(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        first, second, last = run.blocks_left()
        assert [block.items for block in (first, second, last)] == [("a", "b"), ("c", "d"), ("e",)]
        run.write(second.number, rows(second))
    with opened(tmp_path, block_size=100) as run:
        assert run.blocks_left() == [first, last]
        run.write(last.number, rows(last))
        run.write(first.number, rows(first))
        assert run.finish()["told"].to_pylist() == ITEMS
        assert pq.read_table(run.result)["item"].to_pylist() == [0, 1, 2, 3, 4]


def test_a_block_that_was_cut_short_is_done_again(tmp_path: Path) -> None:
    with opened(tmp_path) as run:
        for block in run.blocks_left():
            run.write(block.number, rows(block))
    path = tmp_path / "block-000001.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    (tmp_path / "block-000002.parquet").unlink()
    with opened(tmp_path) as run:
        assert [block.number for block in run.blocks_left()] == [1, 2]


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"job": "evaluate"}, "other job"),
        ({"parameters": {"policy": "f00"}}, "other parameters"),
        ({"items": ["a"]}, "other items"),
        ({"items": []}, "nothing to work on"),
    ],
)
def test_a_folder_serves_one_run_only(tmp_path: Path, other: dict[str, object], told: str) -> None:
    opened(tmp_path).__exit__()
    with pytest.raises(InvalidInput, match=told):
        opened(tmp_path, **other)


def test_two_runs_at_once_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(InvalidInput, match="another run works"):
        opened(tmp_path)
    opened(tmp_path).__exit__()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidInput, match="something else"):
        opened(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_a_manifest_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"job": 1}))
    with pytest.raises(InvalidInput, match="no manifest"):
        opened(tmp_path)
