"""``python -m services.planner.grounder_process``: one Task on stdin, one Reply on stdout, with what others leave.

Nothing of ours is imported before the process gives way: loading the retrieval library costs as much as a plan.
"""

import contextlib
import os

NICE = 5


def main() -> int:
    """As ``grounder_work.answer``."""
    give_way()
    from services.planner.grounder_work import answer  # a quarter second of the processor

    return answer()


def give_way() -> None:
    """Let the services have the processor first: 20 plans at once must not be felt by those who use the page.

    Linux shares out by session, and nice counts within one only: sched(7), "The autogroup feature".
    """
    os.nice(NICE)
    if os.getsid(0) == os.getpid():
        with contextlib.suppress(OSError), open("/proc/self/autogroup", "w") as group:
            group.write(str(NICE))


if __name__ == "__main__":
    raise SystemExit(main())
