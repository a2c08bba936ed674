"""`proctor dlq`: dead letters of a real database, listed and sent again."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from proctor.adapters.sql.migrate import upgrade
from proctor.adapters.sql.stores import SqlStores
from proctor.domain.sinks import Health
from tests.contract.samples import ACME, alert, judged
from tests.contract.sink_samples import SINK, at, failed, planned, sink
from tests.deployments.cli.test_commands import home, refused, run

__all__ = ["home"]  # the fixture: a home of the test's own


@pytest.fixture
def url(home: Path) -> str:
    """A database with three dead letters of the tenant acme."""
    home.mkdir()
    made = f"sqlite:///{home / 'proctor.db'}"
    upgrade(made)

    async def fill() -> None:
        stores = SqlStores(made)
        await stores.sinks.add_sink(sink(name="Desk"), b"", 5)
        await stores.incidents.commit([judged(*(alert(seq) for seq in (1, 2, 3)))])
        await stores.feed.publish_pending(10)
        items = await stores.feed.read(ACME, 0, 10)
        await stores.deliveries.plan(SINK, 0, [planned(item) for item in items], at(0))
        tries = [failed(item.alert.alert_id, next_s=None) for item in items]
        await stores.deliveries.record(SINK, tries, Health())
        await stores.close()

    asyncio.run(fill())
    return made


def positions() -> list[int]:
    done = run("dlq", "list", "--tenant", "acme", "--json")
    assert done.exit_code == 0, done.output
    return [letter["position"] for letter in json.loads(done.stdout)]


def test_dead_letters_are_listed_with_their_reason(url: str) -> None:
    done = run("dlq", "list", "--tenant", "acme", "--json")
    first = json.loads(done.stdout)[0]
    assert (first["name"], first["alert_id"], first["attempts"]) == ("Desk", "alr_ses_1_1", 1)
    assert first["code"] == "webhook/server-error"
    assert "hooks.example.org" not in done.stdout  # a URL may hold a token
    assert "alr_ses_1_1" in run("dlq", "list", "--tenant", "acme").stdout
    assert json.loads(run("dlq", "list", "--json").stdout) == []  # another tenant


def test_a_name_that_a_tenant_chose_is_shown_as_it_is(url: str) -> None:
    """The table's library would read `[...]` as an order, and stop at one that closes nothing."""

    async def rename() -> None:
        stores = SqlStores(url)
        known = await stores.sinks.get_sink(ACME, SINK)
        await stores.sinks.put_sink(replace(known, name="[/]x"))
        await stores.close()

    asyncio.run(rename())
    done = run("dlq", "list", "--tenant", "acme")
    assert (done.exit_code, "[/]x" in done.stdout) == (0, True)


def test_they_are_sent_again_by_id_by_range_or_all(url: str) -> None:
    replay = ("dlq", "replay", "--tenant", "acme", "--sink", SINK, "--json")
    assert json.loads(run(*replay, "--alert", "alr_ses_1_2").stdout) == {"replayed": 1}
    assert positions() == [1, 3]
    assert json.loads(run(*replay, "--from", "3").stdout) == {"replayed": 1}
    assert positions() == [1]
    assert run(*replay[:-1], "--all").stdout == "1 alerts are sent again\n"
    assert positions() == []


def test_what_is_not_said_or_not_there_is_one_line(url: str) -> None:
    replay = ("dlq", "replay", "--tenant", "acme", "--sink", SINK)
    assert "--all" in refused(*replay)
    assert "--all" in refused(*replay, "--all", "--from", "1")
    assert "snk_9" in refused("dlq", "replay", "--tenant", "acme", "--sink", "snk_9", "--all")
    assert SINK in refused("dlq", "list", "--tenant", "other", "--sink", SINK)
    assert positions() == [1, 2, 3]


def test_a_database_without_tables_says_what_to_run(home: Path) -> None:
    home.mkdir()
    done = run("dlq", "list")
    assert done.exit_code == 1
    assert "proctor migrate" in done.stderr
