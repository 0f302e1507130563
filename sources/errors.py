"""The three ways a delivery does not become a report."""


class Unauthorized(Exception):
    """The delivery does not prove who sent it: HTTP 401. The reason never contains a secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Malformed(Exception):
    """The payload is not what the source documents: HTTP 422 with the field's path, such as ``data.event.level``."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


class Filtered(Exception):
    """A good delivery that this project does not want (a filter, a disabled source, no report in it): HTTP 200."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
