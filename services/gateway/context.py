"""All that handlers share, made once per process."""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from messaging.hub import Hubs
from messaging.ports import Bus, PubAck, State, Unavailable
from runtime.clock import Clock
from runtime.seal import Sealer
from schemas import subjects
from schemas.jobs import Job
from schemas.projects import FixLock, Project, SealedSecret
from schemas.runners import RunnerInfo
from services.gateway.auth import pepper_of
from services.gateway.directory import Directory
from services.gateway.job_index import JobIndex
from services.gateway.limits import Quotas, Rates, Seen
from services.gateway.plan_desk import PlanDesk
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from services.gateway.triage_client import Triage

PUBLISH_SECONDS: Final = 8.0


@dataclass(slots=True)
class Gateway:
    """The parts, wired. ``stopping`` is set when streams must end."""

    settings: Settings
    bus: Bus
    clock: Clock
    admin_key: str
    sealer: Sealer | None
    pepper: bytes | None
    directory: Directory
    jobs: JobIndex
    plans: PlanDesk
    triage: Triage
    hubs: Hubs
    rates: Rates
    logins: Rates
    callbacks: Rates
    seen: Seen
    job_records: State[Job]
    locks: State[FixLock]
    job_secrets: State[SealedSecret]
    runners: State[RunnerInfo]
    quotas: Quotas = field(default_factory=Quotas)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    http: aiohttp.ClientSession | None = None

    @property
    def open(self) -> bool:
        """No key at all: only possible on loopback, where it means everybody on this machine is admin."""
        return not self.admin_key

    def client(self) -> aiohttp.ClientSession:
        """The session of outgoing calls (GitHub)."""
        if self.http is None:
            self.http = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=20), headers={"User-Agent": "soulcaster"}
            )
        return self.http

    async def publish(self, subject: str, data: bytes, msg_id: str) -> PubAck:
        """Store a message; Unavailable after 8 s, while the sender is still there to be told (GitHub waits for 10)."""
        try:
            async with asyncio.timeout(PUBLISH_SECONDS):
                return await self.bus.publish(subject, data, msg_id=msg_id)
        except TimeoutError as why:
            raise Unavailable("the broker did not confirm the message in time") from why

    def sealing(self) -> Sealer:
        """The sealer; Problem 503 when there is no key to seal with."""
        if self.sealer is None:
            raise Problem(
                503,
                "no_secret_key",
                "SOULCASTER_SECRET_KEY is not set, so secrets cannot be stored. Set it for every service and restart.",
            )
        return self.sealer

    async def project(self, project_id: str) -> Project:
        """A project; Problem 404."""
        found = await self.directory.projects.find(project_id)
        if found is None:
            raise Problem(404, "project_not_found", "Project not found")
        return found


def assemble(settings: Settings, bus: Bus, clock: Clock, *, admin_key: str, secret_key: bytes | None) -> Gateway:
    """Wire the parts; nothing is started."""
    jobs = JobIndex(bus)
    return Gateway(
        settings=settings,
        bus=bus,
        clock=clock,
        admin_key=admin_key,
        sealer=Sealer(secret_key) if secret_key else None,
        pepper=pepper_of(secret_key) if secret_key else None,
        directory=Directory(bus),
        jobs=jobs,
        plans=PlanDesk(bus, jobs.book),
        triage=Triage(bus, settings.request_seconds),
        hubs=Hubs(bus),
        rates=Rates(settings.ingest_rate, settings.ingest_burst),
        logins=Rates(0.2, 20),
        callbacks=Rates(2.0, 60),
        seen=Seen(),
        job_records=bus.state(subjects.KV_JOBS, Job),
        locks=bus.state(subjects.KV_PROJECTS, FixLock),
        job_secrets=bus.state(subjects.KV_SECRETS, SealedSecret),
        runners=bus.state(subjects.KV_RUNNERS, RunnerInfo),
    )
