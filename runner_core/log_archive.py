"""A copy of the log for the time after the stream has forgotten it: ``logs/<project>/<job>.ndjson``, a chunk a line.

The runner may write the stream but not read it, so it keeps its own copy while it publishes. What was printed beyond
the cap is in the stream only; the archive says so.
"""

from datetime import UTC, datetime
from pathlib import Path

from messaging.ports import Objects
from runner_core.logs import Batch
from schemas.attempts import RunnerTask
from schemas.base import encode
from schemas.logs import LogChunk

CAP = 16 * 1024 * 1024  # bytes of one attempt
TOTAL = 3 * CAP


class LogArchive:
    """``runner_core.logs.Keeper`` on a file in the attempt's folder."""

    def __init__(self, path: Path, task: RunnerTask) -> None:
        self._path, self._task = path, task
        self._first = self._size = 0
        self._full = False

    def add(self, batch: Batch) -> None:
        """Append as the chunk with the stream's own line numbers."""
        data = encode(self._chunk(batch)) + b"\n"
        if not self._full and self._size + len(data) > CAP:
            self._full = True
            cut = Batch([f"(the archive ends here, at {CAP // 1024**2} MiB)"], "system", batch.phase)
            data = encode(self._chunk(cut)) + b"\n"
        elif self._full:
            data = b""
        if data:
            with self._path.open("ab") as file:
                file.write(data)
        self._first += len(batch.lines)
        self._size += len(data)

    async def store(self, objects: Objects) -> None:
        """Behind what earlier attempts of the job left."""
        if not self._size:
            return
        name = f"logs/{self._task.project_id}/{self._task.job_id}.ndjson"
        data = (await objects.get(name) or b"") + self._path.read_bytes()
        if len(data) <= TOTAL:
            await objects.put(name, data)

    def _chunk(self, batch: Batch) -> LogChunk:
        return LogChunk(
            job_id=self._task.job_id,
            project_id=self._task.project_id,
            attempt=self._task.attempt,
            first=self._first,
            lines=batch.lines,
            stream=batch.stream,
            phase=batch.phase,
            step=batch.step,
            partial=batch.partial,
            at=datetime.now(UTC),
        )
