"""`proctor policy test` and `what-if`: a policy against cases, and against recorded exams."""

import asyncio
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.cli.errors import EXIT_FAILED, read_settings
from deployments.cli.replay import Json, Tenant, checked_policy, keys_of
from proctor.domain.errors import InvalidInput
from proctor.domain.ids import TenantId

if TYPE_CHECKING:
    from proctor.domain.recordings import Row
    from proctor.services.replays import Compared


def try_cases(
    folder: Annotated[
        Path, typer.Argument(exists=True, help="A folder of cases (*.yaml), or one file.")
    ],
    policy: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Test this one, not the one the cases name."
        ),
    ] = None,
) -> None:
    """Play cases against a policy; exit 1 with a line per failure that names case and rule."""
    from proctor.services.policy_cases import read_cases, run_cases

    files = sorted(folder.glob("*.yaml")) if folder.is_dir() else [folder]
    if not files:
        raise InvalidInput(f"{folder} holds no cases (*.yaml)", "policy/bad-case")
    failures, count = [], 0
    for file in files:
        text = _text(file)
        try:
            cases = read_cases(text)
            chosen = policy or _policy_of(file, cases.policy)
            found = run_cases(checked_policy(chosen), [text], _recordings(file, cases.cases))
        except InvalidInput as error:
            raise InvalidInput(f"{file}: {error.detail}", error.code) from error
        count += len(cases.cases)
        failures += [f"{file.name}: {line}" for line in found]
    for line in failures:
        typer.echo(line)
    if failures:
        typer.echo(f"{len(failures)} failures in {count} cases")
        raise typer.Exit(EXIT_FAILED)
    typer.echo(f"{count} cases: all as expected")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", "policy/bad-case") from error


def _policy_of(file: Path, named: str | None) -> Path:
    if named is None:
        raise InvalidInput("it names no policy: add `policy: FILE`, or give --policy")
    return file.parent / named


def _recordings(file: Path, cases: Sequence[object]) -> "dict[str, Sequence[Row]]":
    from proctor.adapters.recordings.arrow import read_arrow

    names = {name for case in cases if (name := getattr(case, "recording", None)) is not None}
    return {
        name: read_arrow(path.read_bytes())
        for name in sorted(names)
        if (path := file.parent / name).is_file()
    }


def what_if(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="The other policy (YAML).")
    ],
    exam: Annotated[str, typer.Option(help="Whose recorded sessions.")],
    tenant: Tenant = "default",
    processes: Annotated[
        int, typer.Option(min=0, max=64, help="How many work at a time; 0: one per core.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Judge an exam's recorded sessions by another policy, and rank them anew. Changes nothing."""
    from proctor.replaying import compare_all
    from proctor.services.replays import rank

    text = checked_policy(file)
    keys = asyncio.run(keys_of(TenantId(tenant), None, exam))
    compared = compare_all(read_settings(), keys, text, processes or os.cpu_count() or 1)
    by_id = {one.session_id: one for one in compared}
    rows = [(ranked, _changes(by_id[ranked.session_id])) for ranked in rank(compared)]
    if as_json:
        for ranked, changes in rows:
            typer.echo(
                json.dumps(
                    {
                        "session_id": ranked.session_id,
                        "rank": [ranked.before, ranked.after],
                        "priority": [_said(ranked.rank_before), _said(ranked.rank_after)],
                        "rules": changes,
                        "is_whole": by_id[ranked.session_id].is_whole,
                    }
                )
            )
        return
    table = Table("session", "rank", "priority", "incidents by rule, before > after", box=None)
    for ranked, changes in rows:
        table.add_row(
            ranked.session_id,
            f"{ranked.before} > {ranked.after}",
            " > ".join(
                "withheld" if said is None else f"{said:.2f}"
                for said in (_said(ranked.rank_before), _said(ranked.rank_after))
            ),
            ", ".join(f"{rule} {old} > {new}" for rule, (old, new) in changes.items())
            or "the same",
        )
    Console(width=160).print(table)
    typer.echo(_sum(compared))


def _said(rank: int) -> float | None:
    """A review priority; None when it is withheld."""
    return None if rank < 0 else rank / 1_000_000


def _changes(one: "Compared") -> dict[str, tuple[int, int]]:
    """Rules that opened more or fewer incidents than before."""
    from proctor.services.what_if import changes, opened

    return changes(opened(one.committed), opened(one.again))


def _sum(compared: "Sequence[Compared]") -> str:
    from proctor.services.what_if import opened

    before = sum(opened(one.committed).total() for one in compared)
    after = sum(opened(one.again).total() for one in compared)
    changed = sum(bool(_changes(one)) for one in compared)
    lost = sum(not one.is_whole for one in compared)
    text = f"{len(compared)} sessions, {before} incidents > {after}; {changed} sessions change"
    return text + (f"; {lost} recordings are not whole" if lost else "")
