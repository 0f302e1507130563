"""The e2b template of SANDBOX=e2b: Kilocode, opencode, git and common toolchains, pinned.

``python deploy/e2b/template.py [NAME]`` builds it (E2B_API_KEY set); ``--dockerfile`` prints it instead.
"""

import asyncio
import sys

from e2b import AsyncTemplate, Template, default_build_logger
from e2b.template.main import TemplateBuilder

BASE = "node:20.20.2-bookworm"  # Debian 12; its packages are what apt_install pins to
KILOCODE = "7.7.7"
OPENCODE = "1.18.33"
PACKAGES = [
    "git", "ca-certificates", "python3", "python3-venv", "python3-pip", "python3-pytest", "build-essential", "cmake",
    "golang-go", "cargo", "default-jdk-headless", "maven", "ruby", "php-cli", "ripgrep", "jq",
]  # fmt: skip
CPUS, MEMORY_MB = 2, 4096


def template() -> TemplateBuilder:
    """What is built; the programs lie where their adapters start them."""
    kilocode, opencode = "@kilocode/cli-linux-x64", "opencode-linux-x64"
    install = "npm install --prefix /opt/agents --ignore-scripts --no-audit --no-fund"
    return (
        Template()
        .from_image(BASE)
        .set_user("root")
        .apt_install(PACKAGES, no_install_recommends=True)
        .run_cmd(f"{install} {kilocode}@{KILOCODE} {opencode}@{OPENCODE}")
        .run_cmd(f"ln -s /opt/agents/node_modules/{kilocode}/bin /opt/kilocode")
        .run_cmd(f"ln -s /opt/agents/node_modules/{opencode}/bin /opt/opencode")
        .run_cmd("/opt/kilocode/kilo --version && /opt/opencode/opencode --version")
        .run_cmd("mkdir -p /opt/soulcaster/inbox /var/lib/soulcaster && chmod 711 /var/lib/soulcaster")
        .set_user("user")
        .set_workdir("/home/user")
    )


async def build(name: str) -> None:
    made = await AsyncTemplate.build(
        template(), name=name, cpu_count=CPUS, memory_mb=MEMORY_MB, on_build_logs=default_build_logger()
    )
    sys.stdout.write(f"{made.template_id} {name}\n")


if __name__ == "__main__":
    if "--dockerfile" in sys.argv:
        sys.stdout.write(Template.to_dockerfile(template()) + "\n")
    else:
        asyncio.run(build(sys.argv[1] if len(sys.argv) > 1 else "soulcaster"))
