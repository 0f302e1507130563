"""Makes sandboxes at e2b: at most so many at a time and so many a second, one for each asking, found by metadata."""

import asyncio
import ipaddress
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from e2b import AsyncSandbox, SandboxQuery
from e2b.connection_config import ApiParams
from e2b.sandbox.sandbox_api import SandboxInfo

from runner_core.composing import model_door
from runner_core.model_door import ModelDoor
from runner_core.protocols import Found, Sandbox, SandboxError, SandboxSpec, Tag
from runtime.ids import new_id
from runtime.logs import logger
from schemas.errors import Failure
from services.runner_sandbox.e2b_errors import ERRORS, KEY, answered, failure, sandbox_error, worth_repeating
from services.runner_sandbox.e2b_network import at_creation
from services.runner_sandbox.e2b_sandbox import E2bSandbox, Patience
from services.runner_sandbox.settings import Settings

log = logger("runner.e2b")
MARK: Final = "soulcaster"
NO_ADDRESS: Final = Failure(
    kind="configuration",
    reason="A sandbox at e2b cannot reach the model proxy of this runner.",
    action="Set MODEL_PROXY_PUBLIC_URL to an https:// address that leads to MODEL_PROXY_PORT of this runner "
    "(docs/how-to/e2b.md). The model's key itself never goes into a sandbox.",
)


@dataclass(frozen=True, slots=True)
class Account:
    """Whose sandboxes, where, and how many. ``api_url`` and ``sandbox_url`` only for e2b installations of one's own."""

    key: str
    template: str = "soulcaster"
    domain: str = ""
    api_url: str = ""
    sandbox_url: str = ""
    concurrency: int = 20
    creates_per_second: float = 1.0

    def params(self, request: float) -> ApiParams:
        params = ApiParams(api_key=self.key, request_timeout=request)
        if self.domain:
            params["domain"] = self.domain
        if self.api_url:
            params["api_url"] = self.api_url
        if self.sandbox_url:
            params["sandbox_url"] = self.sandbox_url
        return params


class E2bProvider:
    """See ``runner_core.protocols.SandboxProvider``. Without ``door`` no sandbox reaches a model."""

    kind = "e2b"
    capabilities: tuple[str, ...] = ("isolated", "no-network", "model-proxy-url", "setup-network", "remote")

    def __init__(self, account: Account, door: ModelDoor | None, patience: Patience = Patience()) -> None:
        self._account, self._door, self._patience = account, door, patience
        self._api = account.params(patience.request)
        self._room = asyncio.Semaphore(account.concurrency)
        self._pace = asyncio.Lock()
        self._next = 0.0
        self._own: set[str] = set()
        self._seen: dict[str, tuple[datetime, float]] = {}  # others' sandboxes: their end, and when it was first so

    async def probe(self) -> Failure | None:
        if not self._account.key:
            return Failure(kind="configuration", reason="There is no e2b API key.", action=KEY)
        if self._door is None:
            return NO_ADDRESS
        if (problem := _unfit(self._door.public_url)) is not None:
            return problem
        try:
            await AsyncSandbox.list(limit=1, **self._api).next_items()
        except ERRORS as error:
            return failure(error, "asking for the list of sandboxes")
        return None

    async def create(self, spec: SandboxSpec) -> Sandbox:
        with ExitStack() as held:
            url = await self._address(spec, held)
            await self._room.acquire()
            held.callback(self._room.release)
            sdk = await self._made(spec, url)
            self._own.add(sdk.sandbox_id)
            held.callback(self._own.discard, sdk.sandbox_id)
            sandbox = E2bSandbox(sdk, spec, url, self._patience, held.pop_all())
        try:
            await sandbox.prepare()
        except BaseException:
            await asyncio.shield(sandbox.destroy())
            raise
        return sandbox

    async def find_by_tag(self, runner: str) -> list[Found]:
        """Ours, and those whose end nobody puts off any more: a live runner does so every quarter of the time-out."""
        infos = await self._listed({MARK: "sandbox", "runner": runner})
        now, seen = time.monotonic(), self._seen
        self._seen = {i.sandbox_id: seen[i.sandbox_id] for i in infos if _same(seen.get(i.sandbox_id), i)}
        for info in infos:
            self._seen.setdefault(info.sandbox_id, (info.end_at, now))
        return [
            Found(info.sandbox_id, _tag(info))
            for info in infos
            if info.sandbox_id in self._own or now - self._seen[info.sandbox_id][1] >= self._patience.ttl * 0.45
        ]

    async def destroy(self, sandbox_id: str) -> None:
        try:
            await AsyncSandbox.kill(sandbox_id, **self._api)
        except ERRORS as error:
            raise sandbox_error(error, "destroying a sandbox") from error

    async def _address(self, spec: SandboxSpec, held: ExitStack) -> str:
        """The model's address for this sandbox; empty for one that needs none."""
        if spec.model_url is not None or spec.model_socket is None:
            return spec.model_url or ""
        if self._door is None:
            raise SandboxError(NO_ADDRESS)
        try:
            await self._door.start()
        except OSError as error:
            reason = f"The model proxy's port cannot be opened: {error.strerror}."
            raise SandboxError(Failure(kind="configuration", reason=reason, action="Set MODEL_PROXY_PORT.")) from error
        return held.enter_context(self._door.route(spec.model_socket))

    async def _made(self, spec: SandboxSpec, url: str) -> AsyncSandbox:
        """One sandbox. After a call that went wrong it is looked for before another is asked for."""
        nonce, turn, pause = new_id().lower(), 0, self._patience.pause
        metadata = _metadata(spec.tag) | {"nonce": nonce}
        for left in reversed(range(self._patience.tries)):
            await self._paced()
            try:
                return await AsyncSandbox.create(
                    self._account.template,
                    timeout=max(round(self._patience.ttl), 1),
                    metadata=metadata,
                    network=at_creation(url),
                    lifecycle={"on_timeout": "kill"},
                    idempotency_key=f"{nonce}-{turn}",
                    **self._api,
                )
            except ERRORS as error:
                if not worth_repeating(error):
                    raise sandbox_error(error, "creating a sandbox") from error
                log.info("sandbox.create_failed", job_id=spec.tag.job_id, reason=str(error)[:300])
                if (found := await self._existing(metadata)) is not None:
                    return found
                if not left:
                    raise sandbox_error(error, "creating a sandbox") from error
                turn += answered(error)
            await asyncio.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    async def _existing(self, metadata: dict[str, str]) -> AsyncSandbox | None:
        """The sandbox of that very asking, if it was made after all."""
        try:
            for info in await self._listed(metadata):
                timeout = max(round(self._patience.ttl), 1)
                return await AsyncSandbox.connect(info.sandbox_id, timeout=timeout, **self._api)
        except (SandboxError, *ERRORS):
            return None  # the next turn looks again; the idempotency key holds meanwhile
        return None

    async def _listed(self, metadata: dict[str, str]) -> list[SandboxInfo]:
        found: list[SandboxInfo] = []
        pages = AsyncSandbox.list(query=SandboxQuery(metadata=metadata), **self._api)
        try:
            while pages.has_next:
                found += await pages.next_items()
        except ERRORS as error:
            raise sandbox_error(error, "asking for the list of sandboxes") from error
        return found

    async def _paced(self) -> None:
        """Wait for this process's turn to create."""
        async with self._pace:
            await asyncio.sleep(max(self._next - time.monotonic(), 0.0))
            self._next = time.monotonic() + 1 / self._account.creates_per_second


def from_settings(settings: Settings) -> E2bProvider:
    """As the process was told."""
    account = Account(
        key=settings.e2b_api_key,
        template=settings.e2b_template,
        domain=settings.e2b_domain,
        api_url=settings.e2b_api_url,
        sandbox_url=settings.e2b_sandbox_url,
        concurrency=settings.e2b_concurrency,
        creates_per_second=settings.e2b_creates_per_second,
    )
    return E2bProvider(account, model_door(settings), Patience(ttl=settings.e2b_timeout_seconds))


def _unfit(public_url: str) -> Failure | None:
    parts = urlsplit(public_url)
    if parts.scheme == "https" and parts.hostname:
        return None
    if parts.scheme == "http" and parts.hostname and _loopback(parts.hostname):
        return None
    reason = f"MODEL_PROXY_PUBLIC_URL is {public_url!r}, which is no https:// address."
    return Failure(kind="configuration", reason=reason, action=NO_ADDRESS.action)


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _metadata(tag: Tag) -> dict[str, str]:
    return {
        MARK: "sandbox",
        "runner": tag.runner,
        "job": tag.job_id,
        "attempt": str(tag.attempt),
        "purpose": tag.purpose,
    }


def _tag(info: SandboxInfo) -> Tag:
    """As ``_metadata`` wrote it; somebody else's additions do no harm."""
    meta = info.metadata
    number = meta.get("attempt", "0")
    return Tag(
        meta.get("runner", ""), meta.get("job", ""), int(number) if number.isdigit() else 0, meta.get("purpose", "")
    )


def _same(seen: tuple[datetime, float] | None, info: SandboxInfo) -> bool:
    return seen is not None and seen[0] == info.end_at
