"""dbos, as a contender: ``python -m bench.peers.dbos_worker --database sqlite:FILE --sync on``.

Workflows are called in this process, which is how dbos runs them, so their end is not polled for.
``--sync`` is ``PRAGMA synchronous`` FULL or OFF, or ``synchronous_commit``; everything else is left
as dbos has it, the journal of SQLite included unless ``--journal wal`` is said.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.metadata
import time
import urllib.parse
import uuid

from bench.peers.answering import Reading, Refusal, answer_all
from simworld.benchmark import Benchmark, Channel, Taking
from simworld.records import Hello, Sample

LIVE = "live"
ABSENT = "dbos is not installed: pip install 'simworld[peers]'"


def main(argv: list[str] | None = None) -> None:
    """Answer until nobody asks any more."""
    parser = argparse.ArgumentParser(prog="bench.peers.dbos_worker", allow_abbrev=False)
    parser.add_argument("--database", required=True, help="sqlite:FILE or postgres:DSN")
    parser.add_argument("--sync", choices=("on", "off"), required=True)
    parser.add_argument("--journal", choices=("delete", "wal"), default="delete")
    parser.add_argument("--api", choices=("plain", "async"), default="plain")
    args = parser.parse_args(argv)
    channel = Channel()
    try:
        from bench.peers import dbos_flows as flows  # noqa: PLC0415  (an extra)
    except ImportError as error:
        channel.hello(Hello(absent=f"{ABSENT} ({error})"))
        return
    asyncio.run(_answer(channel, _Dbos(flows, args)))


async def _answer(channel: Channel, dbos: _Dbos) -> None:
    dbos.launch()
    try:
        version = importlib.metadata.version("dbos")
        channel.hello(Hello(synced=dbos.synced, version=version))
        await answer_all(channel, dbos.take)
    finally:
        dbos.close()


class _Dbos:
    """One dbos over one database."""

    def __init__(self, flows, args) -> None:
        self._flows = flows
        self._sync = args.sync == "on"
        self._journal = args.journal
        self._plain = flows.PLAIN if args.api == "plain" else {}
        kind, _, self._where = args.database.partition(":")
        self._is_sqlite = kind == "sqlite"
        self._told: dict[str, str] = {}

    @property
    def synced(self) -> str:
        """What is on the disk before it counts, as the database has it."""
        if not self._is_sqlite:
            return f"PostgreSQL, {self._shown()}"
        return f"SQLite, {', '.join(f'{key}={value}' for key, value in self._told.items())}"

    def launch(self) -> None:
        """Open the database, and make the tables."""
        from dbos import DBOS  # noqa: PLC0415
        from sqlalchemy import event  # noqa: PLC0415
        from sqlalchemy.engine import Engine  # noqa: PLC0415

        if self._is_sqlite:
            event.listen(Engine, "connect", self._settle)
        DBOS(
            config={
                "name": "bench",
                "system_database_url": self._url(),
                "log_level": "ERROR",
            }
        )
        DBOS.launch()

    def close(self) -> None:
        """Let go of the database."""
        from dbos import DBOS  # noqa: PLC0415

        DBOS.destroy()

    def _url(self) -> str:
        if self._is_sqlite:
            return f"sqlite:///{self._where}"
        from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

        given = {key: str(each) for key, each in conninfo_to_dict(self._where).items() if each}
        user, database = given.pop("user", ""), given.pop("dbname", "")
        given["options"] = self._options
        return f"postgresql+psycopg://{user}@/{database}?{urllib.parse.urlencode(given)}"

    @property
    def _options(self) -> str:
        return f"-csynchronous_commit={'on' if self._sync else 'off'}"

    def _shown(self) -> str:
        import psycopg  # noqa: PLC0415

        with psycopg.connect(self._where, options=self._options) as connection:
            found = [
                f"{name}={connection.execute(f'SHOW {name}').fetchone()[0]}"
                for name in ("fsync", "synchronous_commit")
            ]
        return ", ".join(found)

    def _settle(self, connection, _record) -> None:
        """Every new connection of SQLite: set what is measured, and note what it says."""
        connection.execute(f"PRAGMA synchronous={'FULL' if self._sync else 'OFF'}")
        connection.execute(f"PRAGMA journal_mode={self._journal}")
        for name, words in (("journal_mode", None), ("synchronous", ("OFF", "NORMAL", "FULL"))):
            value = connection.execute(f"PRAGMA {name}").fetchone()[0]
            self._told[name] = words[value] if words else str(value)

    async def take(self, benchmark: Benchmark) -> Sample:
        """One sample; ``Refusal`` where dbos cannot do it."""
        from dbos import DBOS, SetWorkflowID  # noqa: PLC0415

        name = benchmark.workflow.name
        if name not in self._flows.ASYNC:
            raise Refusal(f"{name} is not written for dbos")
        reading, run_id = Reading(), str(uuid.uuid4())
        taking, began_s = Taking(), time.time()
        with SetWorkflowID(run_id):
            if benchmark.live:
                run = await DBOS.start_workflow_async(self._flows.ASYNC[name], *benchmark.args)
                await reading.whole(self._flows.chunks_of(run_id, LIVE))
                output = await run.get_result()
            elif name in self._plain:
                output = await asyncio.to_thread(self._plain[name], *benchmark.args)
            else:
                output = await self._flows.ASYNC[name](*benchmark.args)
        if benchmark.streams and not benchmark.live:
            await reading.whole(self._flows.chunks_of(run_id, output))
        taking.ended()
        benchmark.check(output, reading.content)
        times: dict[str, float] = {}
        if not self._is_sqlite:  # where rows tell whole seconds
            row = await DBOS.get_workflow_status_async(run_id)
            began_s = row.created_at / 1_000
            times["workflow_s"] = row.updated_at / 1_000 - began_s
        return reading.sample(taking, began_s, live=bool(benchmark.live), **times)


if __name__ == "__main__":
    main()
