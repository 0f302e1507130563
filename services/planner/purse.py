"""What a plan's questions cost its project, written into the plan's record as each answer comes."""

from runner_core.metering import Prices, Tokens, affordable
from runtime.clock import Clock
from schemas.plans import PlanRequest
from schemas.spending import Spend
from services.planner import model
from services.planner.store import PlanStore


class ProjectPurse:
    """Implements asking.Purse for one request. Without ``prices`` only tokens are limited."""

    def __init__(self, store: PlanStore, request: PlanRequest, prices: Prices | None, clock: Clock) -> None:
        self._store, self._request, self._prices, self._clock = store, request, prices, clock

    def allows(self) -> int | None:
        return affordable(self._request.left, self._prices)

    async def pay(self, used: Tokens) -> None:
        spend = cost(used, self._prices)
        await self._store.settle(
            self._request, lambda record: model.charged(record, self._request, spend, self._clock.now())
        )


def cost(used: Tokens, prices: Prices | None) -> Spend:
    """An answer's tokens as a line of the books."""
    tokens = used.input + used.output
    if prices is None:
        return Spend(tokens=tokens, unpriced=tokens)
    return Spend(tokens=tokens, usd=prices.cost(used))
