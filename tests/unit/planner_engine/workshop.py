"""Small git repositories, made by git itself in a temporary folder."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}
DAY = 86_400
START = 1_700_000_000


class Workshop:
    """A repository to write into; commits are a day apart so that results do not depend on the clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits: list[str] = []
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        """Runs git and returns what it printed, stripped."""
        date = f"{START + DAY * len(self.commits)} +0000"
        answer = subprocess.run(
            ["git", "-C", str(self.path), "-c", "protocol.file.allow=always", *arguments],
            input=stdin,
            capture_output=True,
            check=True,
            env={**_ENVIRONMENT, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date},
        )
        return answer.stdout.decode("utf-8", "replace").strip()

    def commit(self, files: Mapping[str, str | bytes], message: str = "Change") -> str:
        """Writes the files, commits everything, returns the commit id."""
        for name, content in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        self.commits.append(self.git("rev-parse", "HEAD"))
        return self.commits[-1]


SHOP: dict[str, str | bytes] = {
    "pyproject.toml": "[project]\nname = 'shop'\n[tool.pytest.ini_options]\n[tool.ruff]\n",
    "shop/__init__.py": "from shop.cart import Cart\n",
    "shop/cart.py": (
        '"""The cart."""\n\n\nclass Cart:\n    def __init__(self):\n        self.lines = []\n\n'
        "    def total_price(self, coupon=None):\n        if coupon is not None and coupon.expired:\n"
        '            raise ValueError("this coupon can no longer be redeemed here")\n'
        "        return sum(line.price for line in self.lines)\n"
    ),
    "shop/payment.py": "def charge_card(card, amount):\n    return card.charge(amount)\n",
    "shop/mailer.py": "class Mailer:\n    def send_receipt(self, order):\n        return order.receipt\n",
    "shop/search.py": "def find_products(words):\n    return [w for w in words if w]\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef test_total():\n    assert Cart().total_price() == 0\n",
    "tests/test_mailer.py": "from shop.mailer import Mailer\n\n\ndef test_mailer():\n    assert Mailer()\n",
}
