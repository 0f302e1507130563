"""Which files and names a sentence speaks of, and whether it proposes them as new. Pure."""

import re
from collections.abc import Collection, Iterable
from typing import Final

_EXTENSIONS: Final = (
    "py|pyi|pyx|js|jsx|mjs|cjs|ts|tsx|mts|cts|svelte|vue|go|java|kt|scala|rs|rb|rake|c|h|cc|cpp|cxx|hpp|hh|cs|php|swift|"
    "lua|ex|exs|dart|sql|html|css|scss|less|md|rst|txt|toml|yaml|yml|json|xml|ini|cfg|conf|sh|bash|gradle|proto|tf|lock"
)
_FILE: Final = re.compile(rf"(?<![\w/.@:-])(?:\./)?((?:[\w@+.-]+/)*[\w@+-][\w@+.-]*\.(?:{_EXTENSIONS}))(?![\w-]|/\w)")
_QUOTED_PATH: Final = re.compile(r"`(?:\./)?([\w@+.-]+(?:/[\w@+.-]+)+)/?`")
_QUOTED: Final = re.compile(r"`([^`\n]{2,120})`")
_CALL: Final = re.compile(r"\b([A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)*)\(\)")
_NAME: Final = re.compile(r"^[A-Za-z_$][\w$]*(?:(?:\.|::|#|->)[A-Za-z_$][\w$]*)*(?:\([^)]*\))?$")
_CODE_LIKE: Final = re.compile(r"_|[a-z0-9][A-Z]|\.|::|#|\(")
_NEW: Final = re.compile(
    r"\b(?:add|create|introduce|new|write|extract|define|rename|implement|move|split|generate|place|put|called|named)\w*\b",
    re.I,
)


def files_in(text: str) -> list[str]:
    """Paths and file names in the text, in order, each once."""
    found = [match[1] for match in _FILE.finditer(text)] + [match[1] for match in _QUOTED_PATH.finditer(text)]
    return list(dict.fromkeys(name.removeprefix("./") for name in found))


def names_in(text: str) -> list[str]:
    """Names of code in the text: back-ticked ones that look like code, and calls. Without arguments, each once."""
    files = set(files_in(text))
    quoted = [match[1].strip() for match in _QUOTED.finditer(text)]
    found = [q for q in quoted if _NAME.match(q) and _CODE_LIKE.search(q) and q not in files]
    found += [match[1] for match in _CALL.finditer(text)]
    return list(dict.fromkeys(re.sub(r"\(.*\)$", "", name) for name in found))


def parts_of(name: str) -> list[str]:
    """The identifiers a dotted name is made of."""
    return [part for part in re.split(r"\.|::|#|->", name) if part]


def proposes_new(text: str) -> bool:
    """Whether a sentence brings something into being, so that it may name what does not exist yet."""
    return bool(_NEW.search(text))


class Paths:
    """The files of a commit, asked by path, by folder and by name."""

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = frozenset(paths)
        self._names = frozenset(path.rpartition("/")[2] for path in self.paths)
        self._folders = frozenset(path.rpartition("/")[0] for path in self.paths)

    def has(self, named: str) -> bool:
        """Whether ``named`` is a file, a folder, a bare file name, or the end of a path."""
        if named in self.paths or named in self._names or named in self._folders:
            return True
        return "/" in named and any(
            path.endswith("/" + named) or path.startswith(named + "/") or f"/{named}/" in path for path in self.paths
        )


def unknown_files(text: str, paths: Paths) -> list[str]:
    """Files the text names that are not in the commit."""
    return [name for name in files_in(text) if not paths.has(name)]


def unknown_names(text: str, known: Collection[str]) -> list[str]:
    """Names whose last part is not a word of the repository."""
    return [name for name in names_in(text) if parts_of(name)[-1] not in known]
