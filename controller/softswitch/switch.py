"""The switch: what all legs and all clients share, and how it starts, stops, dies and comes back."""

import asyncio
import contextlib
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from controller.softswitch import api
from controller.softswitch.audio import RATE, Track
from controller.softswitch.dialplan import (
    DIALPLAN,
    EXTENSIONS,
    NO_ROUTE,
    PARKING_CONTEXT,
    SIP_CODECS,
    Plan,
    sip_variables,
)
from controller.softswitch.esl import SHUTDOWN, Listener
from controller.softswitch.events import Event, Header, core_headers
from controller.softswitch.faults import Faults
from controller.softswitch.journal import CommandEntry, Journal
from controller.softswitch.leg import Leg
from controller.softswitch.profile import Profile
from controller.softswitch.script import Script
from controller.softswitch.text import Variables

_LARGEST_READ = 1 << 20
_FAREWELL_SECONDS = 0.5
"""How long an orderly stop waits for clients to take what they are still sent."""
_SQL_LAG_SECONDS = 0.2
"""How late `show channels` learns of a leg (measured: 130-290 ms)."""


class Softswitch:
    """An embedded stand-in for FreeSWITCH: ESL, legs with callers, recordings with real audio.

    `directory` holds the sounds a playback may name relatively; recordings go where commands say. All of it runs
    on the event loop that calls `start`. `faults` makes it misbehave, `journal` tells what truly happened.
    """

    def __init__(
        self,
        *,
        directory: Path,
        host: str = "127.0.0.1",
        port: int = 0,
        password: str = "ClueCon",  # noqa: S107 (FreeSWITCH's own default)
        name: str = "softswitch",
        heartbeat: float = 20.0,
        acl_refuses: bool = False,
        core_sql: bool = True,
        version: str = "1.11.2-dev",
    ) -> None:
        self.directory = directory
        self.sounds = directory / "sounds"
        self.host = host
        self.port = port
        self.password = password
        self.name = name
        self.heartbeat = heartbeat
        self.acl_refuses = acl_refuses
        self.core_sql = core_sql
        self.version = version
        self.faults = Faults()
        self.journal = Journal()
        self.core_uuid = str(uuid.uuid4())
        self.dialplan: Plan = DIALPLAN
        self.extensions = dict(EXTENSIONS)
        self.global_variables = Variables()
        self.loop: asyncio.AbstractEventLoop
        self.rows: dict[str, Leg] = {}
        self.sessions = 0
        self.beats = 0
        self.started_at = 0.0
        self._legs: dict[str, Leg] = {}
        self.clients = itertools.count(1)
        self._listeners: set[Listener] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._scheduled: dict[str, list[asyncio.TimerHandle]] = {}
        self._server: asyncio.Server | None = None
        self._sequence = 0
        self._epoch = 0.0

    # -- life

    async def start(self) -> None:
        """Listen; `port` is the true one afterwards. Raises OSError when it cannot."""
        self.loop = asyncio.get_running_loop()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._epoch = self.loop.time()
        self.started_at = time.time()
        self.global_variables = Variables(
            {
                "core_uuid": self.core_uuid,
                "hostname": self.name,
                "sounds_dir": str(self.sounds),
                "sound_prefix": str(self.sounds),
            }
        )
        self._server = await asyncio.start_server(
            self._accept, self.host, self.port, limit=_LARGEST_READ, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.spawn(self._beat())

    async def stop(self) -> None:
        """End in order: every leg is hung up, every client is told, then nothing listens any more."""
        for leg in list(self._legs.values()):
            leg.hang_up("SYSTEM_SHUTDOWN")
        gone = [asyncio.ensure_future(leg.wait_hangup()) for leg in list(self._legs.values())]
        if gone and not self.faults.zombie:
            await asyncio.wait(gone, timeout=2 + self.faults.slow_close)
        for listener in list(self._listeners):
            listener.dismiss(SHUTDOWN)
        await self._wait_for_listeners()
        await self._die()

    async def crash(self) -> None:
        """Die as by kill -9: sockets closed, recordings as they lie on disk, nobody told."""
        self.cut_links()
        for leg in list(self._legs.values()):
            leg.vanish()
        await self._die()

    async def restart(self) -> None:
        """Come back on the same port, after `crash` or `stop` or instead of them: a new Core-UUID, no legs."""
        if self._server is not None:
            await self.crash()
        self.core_uuid = str(uuid.uuid4())
        self._sequence = 0
        await self.start()

    async def _die(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.cut_links()
        for handles in self._scheduled.values():
            for handle in handles:
                handle.cancel()
        self._scheduled.clear()
        current = asyncio.current_task()
        tasks = [task for task in self._tasks if task is not current]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._legs.clear()
        self.rows.clear()

    def cut_links(self) -> None:
        """Cut every ESL connection without a word; legs and recordings go on."""
        for listener in list(self._listeners):
            listener.cut()

    async def _wait_for_listeners(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await asyncio.gather(*(listener.ended.wait() for listener in list(self._listeners)))

    async def reload_event_socket(self) -> None:
        """Do to clients what `reload mod_event_socket` does: close them all."""
        await asyncio.sleep(0.02)
        for listener in list(self._listeners):
            listener.dismiss(SHUTDOWN)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a task that ends with the switch."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener = Listener(self, reader, writer)
        self._listeners.add(listener)
        try:
            await listener.run()
        finally:
            self._listeners.discard(listener)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self.heartbeat)
            self.beats += 1
            if not self.faults.stop_heartbeats:
                up = time.time() - self.started_at
                self.fire(
                    "HEARTBEAT",
                    [
                        ("Event-Info", "System Ready"),
                        ("Up-Time", api.uptime(up)),
                        ("FreeSWITCH-Version", self.version),
                        ("Uptime-msec", str(round(up * 1000))),
                        ("Session-Count", str(len(self._legs))),
                        ("Max-Sessions", "1000"),
                        ("Session-Per-Sec", "30"),
                        ("Session-Since-Startup", str(self.sessions)),
                        ("Idle-CPU", "90.000000"),
                    ],
                )

    # -- time

    def now(self) -> float:
        """Seconds on the loop's clock."""
        return self.loop.time()

    def position(self, moment: float) -> int:
        """Where `moment` (loop clock) lies on the audio time line, in samples."""
        return round((moment - self._epoch) * RATE)

    def at_wall_clock(self, unix: float) -> float:
        """Convert a Unix time to the loop's clock."""
        return self.now() + unix - time.time()

    # -- events

    def wanted(self, name: str, subclass: str | None = None) -> bool:
        """Whether any client has asked for such events; each call is an event's creation and counts it."""
        self._sequence += 1
        return any(listener.subscription.wants(name, subclass) for listener in self._listeners)

    def fire(
        self, name: str, headers: Sequence[Header], *, body: str | None = None, first: Sequence[Header] = ()
    ) -> None:
        """Fire an event of the core: `first`, the core's headers, `headers`."""
        core = core_headers(
            name, core_uuid=self.core_uuid, hostname=self.name, sequence=self._sequence, now=time.time()
        )
        self._deliver(Event(name, [*first, *core, *headers], body), None)

    def fire_foreign(self, name: str, headers: Sequence[Header], body: str | None) -> None:
        """Fire what a client sent by sendevent: its own headers come first, duplicates and all."""
        self._sequence += 1
        core = core_headers(
            name, core_uuid=self.core_uuid, hostname=self.name, sequence=self._sequence, now=time.time()
        )
        event = Event(name, [*headers, *core], body)
        self._deliver(event, event.get("Event-Subclass"))

    def fire_through(self, leg: Leg, name: str, headers: Sequence[Header], body: str | None) -> None:
        """Fire what a client sent by sendevent with a living leg's Unique-ID: its headers, then the leg's data."""

        def fire() -> None:
            if not leg.hungup:
                event = Event(name, [*headers, *leg.data()], body)
                self._deliver(event, event.get("Event-Subclass"))

        self.loop.call_at(leg.frame_time(leg.frame_number(self.now()) + 1), fire)

    def _deliver(self, event: Event, subclass: str | None) -> None:
        for listener in list(self._listeners):
            if listener.subscription.wants(event.name, subclass):
                listener.offer(event)

    # -- commands

    def note_command(self, text: str, client: int) -> None:
        """Write a client's command into the journal."""
        self.journal.note(CommandEntry(time.time(), text, client))

    async def api(self, text: str) -> str:
        """Run an API command; its output, empty when there is none."""
        name, _, argument = text.partition(" ")
        output = await api.execute(self, name, argument)
        if self.wanted("API"):
            about = [("API-Command", name)]
            if argument:
                about.append(("API-Command-Argument", argument))
            self.fire("API", about)
        return output

    async def run_job(self, job: str, text: str) -> None:
        """bgapi: run it, then fire BACKGROUND_JOB."""
        name, _, argument = text.partition(" ")
        output = await self.api(text)
        if self.faults.job_never or not self.wanted("BACKGROUND_JOB"):
            return
        about = [("Job-UUID", job), ("Job-Command", name)]
        if argument:
            about.append(("Job-Command-Arg", argument))
        self.fire("BACKGROUND_JOB", about, body=output)

    # -- legs

    @property
    def legs(self) -> Mapping[str, Leg]:
        """Every leg that has not been destroyed."""
        return self._legs

    def locate(self, leg: str) -> Leg | None:
        """switch_core_session_locate: None as soon as the leg is hung up."""
        found = self._legs.get(leg)
        return None if found is None or found.hungup else found

    def plan(self, extension: str, context: str = "default") -> Plan:
        """Look up what an extension does; every extension of the context fsrec is parked for the controller."""
        if context == PARKING_CONTEXT:
            return [*self.dialplan, ("park", "")]
        return self.extensions.get(extension, NO_ROUTE)

    async def call(
        self,
        destination: str,
        script: Script = (),
        *,
        leg: str | None = None,
        caller_name: str = "",
        caller_number: str = "",
        variables: Mapping[str, str] = {},
        answered: bool = False,
        park: bool = True,
        context: str = "fsrec",
        rate: int = 8000,
    ) -> Leg:
        """Let a caller dial `destination`; the leg, once it is parked, or hung up before that.

        With `park` false it has only been created. `variables` are on the channel from the start, as the far end's
        or the dialplan's would be. The script begins when the leg is answered: by `answered`, or later by a command.
        `rate` is the leg's, 8000 (PCMU) or 16000 (G722); KeyError for others.
        """
        user = caller_number or "anonymous"
        name = variables.get("channel_name") or f"sofia/internal/{user}@127.0.0.1:5099"
        profile = Profile(
            uuid=leg or str(uuid.uuid4()),
            channel_name=name,
            direction="inbound",
            destination=destination,
            context=context,
            caller_name=caller_name or user,
            caller_number=caller_number,
            username=user,
            network="127.0.0.1",
            codec=SIP_CODECS[rate][0],
            bit_rate=SIP_CODECS[rate][1],
            rate=rate,
        )
        new = self.new_leg(profile, script=script)
        for key, value in sip_variables(user, destination, rate):
            new.variables.set(key, value)
        for key, value in variables.items():
            new.variables.set(key, value)
        plan = [*self.dialplan]
        if answered:
            plan.append(("answer", ""))
        if park:
            plan.append(("park", ""))
        self.start_leg(new, plan)
        if park:
            await new.wait_parked()
        return new

    def new_leg(
        self,
        profile: Profile,
        *,
        script: Script = (),
        said: Track | None = None,
        heard: Track | None = None,
    ) -> Leg:
        """Make a leg that does nothing yet. Raises ValueError when its id is taken."""
        if profile.uuid in self._legs:
            raise ValueError(f"there is a leg {profile.uuid} already")
        self.sessions += 1
        first = [
            ("direction", profile.direction),
            ("uuid", profile.uuid),
            ("call_uuid", profile.call_uuid),
            ("session_id", str(self.sessions)),
            ("channel_name", profile.channel_name),
            *(
                (f"{way}_{what}", value)
                for way in ("read", "write")
                for what, value in (("codec", profile.codec), ("rate", str(profile.rate)))
            ),
        ]
        leg = Leg(self, profile, script=script, variables=first, said=said, heard=heard)
        self._legs[leg.uuid] = leg
        self.loop.call_later(_SQL_LAG_SECONDS, self._list, leg)
        return leg

    def start_leg(self, leg: Leg, plan: Plan | None, *, born: bool = True) -> None:
        """Start a leg's thread: with a plan its own dialplan, with None the far end of a bridge."""
        self.spawn(leg.run(plan, born=born))

    def _list(self, leg: Leg) -> None:
        if self._legs.get(leg.uuid) is leg:
            self.rows[leg.uuid] = leg

    def forget(self, leg: Leg) -> None:
        """Drop a destroyed leg; `show channels` learns it later."""
        self._legs.pop(leg.uuid, None)
        self.loop.call_later(_SQL_LAG_SECONDS, self.rows.pop, leg.uuid, None)

    # -- scheduled hangups

    def schedule_hangup(self, leg: str, seconds: float, cause: str) -> None:
        """sched_hangup: hang `leg` up after `seconds`; its group is the leg's id."""
        handle = self.loop.call_later(max(0.0, seconds), self._scheduled_hangup, leg, cause)
        self._scheduled.setdefault(leg, []).append(handle)

    def _scheduled_hangup(self, leg: str, cause: str) -> None:
        found = self.locate(leg)
        if found is not None:
            found.hang_up(cause)

    def unschedule(self, group: str) -> int:
        """sched_del: how many tasks were deleted."""
        handles = self._scheduled.pop(group, [])
        alive = [handle for handle in handles if not handle.cancelled() and handle.when() > self.now()]
        for handle in handles:
            handle.cancel()
        return len(alive)


async def _for_ever(_: Softswitch) -> None:
    await asyncio.Event().wait()


async def serve(
    port: int,
    directory: Path,
    password: str = "ClueCon",  # noqa: S107 (FreeSWITCH's own default)
    *,
    host: str = "127.0.0.1",
    work: Callable[[Softswitch], Awaitable[None]] = _for_ever,
    **options: Any,
) -> None:
    """Run a softswitch until cancelled, or until `work` on it is done; `options` are a `Softswitch`'s."""
    switch = Softswitch(directory=directory, host=host, port=port, password=password, **options)
    await switch.start()
    try:
        await work(switch)
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await switch.stop()
