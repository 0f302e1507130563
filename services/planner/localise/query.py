"""Reads an issue: what is title, prose, code, error; which identifiers, paths, dotted names and frames it names."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

from services.planner.localise.frames import Frame, find_frames, without_frames
from services.planner.localise.tokens import IDENTIFIER, STOP, compound_hash, count_terms, shingles, split_identifier

MAX_ISSUE_CHARS = 60_000
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]")
# runs that no reader looks at but that make patterns slow: a report is hostile input
_LONG_RUN = re.compile(r"(\S{300})\S+|(\n\s{0,40}\n)\s{40,}|([ \t]{80})[ \t]+")
_URL = re.compile(r"\bhttps?://[^\s)>\]\"'`]+")
_BLOB_URL = re.compile(r"/(?:blob|tree|src|blame)/[^/\s]+/([^\s#?)]+\.\w+)(?:#L(\d+))?")
_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.S | re.M)
_INLINE = re.compile(r"``?([^`\n]{1,200})``?")
_VERSION_LINE = re.compile(
    r"^[ \t>*\-]{0,20}(?:[\w.\-]+[ \t]*[:=]{1,3}[ \t]*v?\d+(?:\.\d+)+\S*"
    r"|(?:python|pip|setuptools|numpy|scipy|pandas|cython|node|npm|yarn|os|platform|machine|executable|processor|byteorder"
    r"|locale|browser|version|java|jdk|go version|rustc|gcc|php)\b[^\n]{0,3}[:=][^\n]*"
    r"|\S+==\d\S*|[\w.\-]+ +v?\d+\.\d+(?:\.\d+)*\S*)[ \t]*$",
    re.I | re.M,
)
_VERSION_CALL = re.compile(r"(?:show_versions|pip (?:list|freeze)|npm ls|System:\s*$|Python dependencies)", re.M)
_CODE_LINE = re.compile(
    r"^[ \t]*(?:>>>|\.\.\.|\$ |In \[\d+\]|from [\w.]+ import|import [\w.{*]|def \w+\(|class \w+[(:]|@\w+|return\b|"
    r"(?:const|let|var) \w"
    r"|[\w.\[\]'\"]+ = |[\w.]+\(.*\)[;,]?\s*$|File \"|at \w|[})\]]+;?\s*$|for .* in .*:\s*$|if .*:\s*$"
    r"|with .*:\s*$|#\s*include)"
)
_ERROR_LINE = re.compile(
    r"^.{0,40}?\b(?:[\w.]*(?:Error|Exception|Warning|Failure|Fault)\b(?:\s*:|\s*$)|panicked at|error"
    r"(?:\[\w+\])?:|fatal:"
    r"|Traceback|FAIL|Caused by:).*$",
    re.M,
)
_MESSAGE = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning|Fault)\b['\"`]?\s*[:(]\s*([^\n]{10,300})")
_QUOTED = re.compile(r"\"([^\"\n]{6,200})\"|'([^'\n]{6,200})'|“([^”\n]{6,200})”")
_PATHLIKE = re.compile(r"(?<![\w/@:.+\-])((?:[\w.\-@+]+[/\\])*[\w.\-@+]+\.[A-Za-z]\w{0,6})(?::(\d+))?(?![\w/])")
_DOTTED = re.compile(r"(?<![\w./])([A-Za-z_]\w*(?:(?:\.|::|#|\\)[A-Za-z_]\w*)+)(?![\w/])")
_FROM_IMPORT = re.compile(r"^[\s>.]*from\s+([\w.]+)\s+import\s+\(?([\w ,*]+)", re.M)
_JS_IMPORT = re.compile(r"(?:from|require\()\s*['\"]([^'\"\n]{1,200})['\"]")
_CALL = re.compile(r"\b([A-Za-z_$][\w$]*)\s*\(")
_CODELIKE = re.compile(r"[a-z\d][A-Z]|_[a-zA-Z]|^_|[A-Z]{2,}[a-z]")


@dataclass(slots=True)
class Query:
    """An issue, read. Term maps go from term id to weight; identifiers and dotted names keep their best weight.

    `crash` is True when a source delivered the frames as data: then they are the failure itself, not a quotation.
    """

    title: str = ""
    mix: dict[int, float] = field(default_factory=dict)
    title_terms: dict[int, float] = field(default_factory=dict)
    error_terms: dict[int, float] = field(default_factory=dict)
    ident_terms: dict[int, float] = field(default_factory=dict)
    identifiers: dict[str, float] = field(default_factory=dict)
    shingles: dict[int, float] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)
    crash: bool = False
    paths: list[tuple[str, int]] = field(default_factory=list)
    dotted: dict[str, float] = field(default_factory=dict)
    title_words: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    quotes: list[str] = field(default_factory=list)
    code: str = ""
    words: dict[str, int] = field(default_factory=dict)


def read_issue(text: str, title: str | None = None, frames: list[Frame] | None = None) -> Query:
    """Parses issue text; `title` defaults to the first line; `frames` (outermost first) add to those in the text."""
    text = calm(text)
    if title is None:
        title, text = split_title(text)
    title = calm(title[:500])
    query = Query(title=title)
    text = without_comments(text)
    links = " ".join(_URL.findall(text))
    query.paths = [(m[1], int(m[2] or 0)) for m in _BLOB_URL.finditer(links)]
    prose, code = _split_code(_URL.sub(" ", text))
    raw = f"{title}\n{text}"
    query.frames = [*find_frames(raw), *(frames or [])]
    query.crash = bool(frames)
    prose, code = _without_versions(prose), _without_versions(code)
    _fill_terms(query, prose, code)
    _fill_identifiers(query, prose, code)
    _fill_names(query, without_frames(_URL.sub(" ", raw)))
    return query


def calm(text: str) -> str:
    """The text without invisible characters and endless runs, cut at `MAX_ISSUE_CHARS`."""
    text = _INVISIBLE.sub("", text[:MAX_ISSUE_CHARS].replace("\r\n", "\n"))
    return _LONG_RUN.sub(lambda m: m[1] or m[2] or m[3], text)


def without_comments(text: str) -> str:
    """The text without HTML comments (issue templates put their instructions there); linear in its length."""
    kept, at = [], 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        kept.append(text[at:start])
        at = end + 3
    return " ".join([*kept, text[at:]])


def split_title(text: str) -> tuple[str, str]:
    """First non-empty line (without a heading mark) and the rest."""
    stripped = text.lstrip()
    first, _, rest = stripped.partition("\n")
    return first.lstrip("# ").strip(), rest


def _without_versions(text: str) -> str:
    if _VERSION_CALL.search(text):
        text = re.sub(r"(?s)(?:INSTALLED VERSIONS|System:\s*\n).{0,4000}?(?=\n\s*\n\s*\n|\Z)", " ", text)
    return _VERSION_LINE.sub(" ", text)


def _split_code(text: str) -> tuple[str, str]:
    code: list[str] = []

    def take(match: re.Match[str]) -> str:
        code.append(match[2])
        return "\n"

    prose: list[str] = []
    for line in _FENCE.sub(take, text).split("\n"):
        (code if _CODE_LINE.match(line) or line.startswith(("    ", "\t")) else prose).append(line)
    return "\n".join(prose), "\n".join(code)


def _saturated(text: str) -> dict[int, float]:
    counts: dict[int, int] = {}
    count_terms(text, counts)
    return {term: count * 2.2 / (count + 1.2) for term, count in counts.items()}


def _add(into: dict[int, float], terms: dict[int, float], factor: float) -> None:
    for term, weight in terms.items():
        into[term] = into.get(term, 0.0) + weight * factor


def _fill_terms(query: Query, prose: str, code: str) -> None:
    query.title_terms = _saturated(query.title)
    _add(query.mix, query.title_terms, 1.0)
    _add(query.mix, _saturated(prose), 1.0)
    _add(query.mix, _saturated(code), 0.7)
    whole = f"{query.title}\n{prose}\n{code}"
    query.errors = [m[0].strip()[:300] for m in _ERROR_LINE.finditer(whole)][:20]
    quoted = [next(g for g in m.groups() if g) for m in _QUOTED.finditer(whole)][:60]
    ticked = [m[1] for m in _INLINE.finditer(whole)]
    query.quotes = [*(m[1] for m in _MESSAGE.finditer(whole)), *quoted, *(t for t in ticked if " " in t)]
    query.code = code
    query.words = _shown_words(f"{query.title}\n{prose}")
    query.error_terms = _saturated("\n".join(query.errors + quoted))
    for piece in [query.title, *query.errors, *quoted, *ticked]:
        for run in shingles(piece):
            query.shingles[run] = 1.0
    for run in shingles(prose[:8000]):
        query.shingles.setdefault(run, 0.4)


def _shown_words(text: str) -> dict[str, int]:
    """Words of title and prose with the term that stands for each: the compound, or the stem of a plain word."""
    found: dict[str, int] = {}
    for word in IDENTIFIER.findall(text)[:3000]:
        if 3 < len(word) < 60 and word.lower() not in STOP:
            terms = _single_terms(word)
            if terms:
                found.setdefault(word, terms[-1])
    return found


def _fill_identifiers(query: Query, prose: str, code: str) -> None:
    found: dict[str, float] = {}

    def note(name: str, weight: float) -> None:
        if 2 < len(name) < 80 and name.lower() not in STOP:
            found[name] = max(found.get(name, 0.0), weight)

    for name in IDENTIFIER.findall(query.title):
        if _CODELIKE.search(name) or f"{name}(" in query.title or f"`{name}" in query.title:
            note(name, 3.0)
        elif name[0].isupper() and not query.title.startswith(name):
            note(name, 1.0)
    ticked = " ".join(m[1] for m in _INLINE.finditer(f"{query.title}\n{prose}"))
    for name in IDENTIFIER.findall(ticked):
        note(name, 2.0 if len(ticked) < 4000 else 1.0)
    for name in [*_CALL.findall(prose), *(n for n in IDENTIFIER.findall(prose) if _CODELIKE.search(n))]:
        note(name, 2.0)
    for dotted in _DOTTED.findall(prose):
        for part in re.split(r"\W+", dotted):
            note(part, 1.5)
    for frame in query.frames:
        note(frame.function, 1.5)
    for name, count in Counter(IDENTIFIER.findall(code)).most_common(400):
        note(name, 1.0 if _CODELIKE.search(name) or count > 2 else 0.6)
    query.identifiers = dict(sorted(found.items(), key=lambda item: (-item[1], item[0]))[:250])
    for name, weight in query.identifiers.items():
        term = compound_hash(name)
        single = len(split_identifier(name)) == 1
        for one in _single_terms(name) if single else (term,):
            query.ident_terms[one] = max(query.ident_terms.get(one, 0.0), weight)


def _single_terms(name: str) -> tuple[int, ...]:
    counts: dict[int, int] = {}
    count_terms(name, counts)
    return tuple(counts)


def _fill_names(query: Query, raw: str) -> None:
    for match in _PATHLIKE.finditer(raw):
        query.paths.append((match[1], int(match[2] or 0)))
    for dotted in _DOTTED.findall(raw):
        name = re.sub(r"::|#|\\", ".", dotted)
        query.dotted[name] = 1.0
    for module, names in _FROM_IMPORT.findall(raw):
        for name in names.split(","):
            words = name.split()
            if words and words[0] != "*":
                query.dotted[f"{module}.{words[0]}"] = 0.7
            elif words:
                query.dotted[module] = 0.7
    for module in _JS_IMPORT.findall(raw):
        query.paths.append((module, 0))
    query.title_words = {
        w.lower().replace("_", "").replace("-", "") for w in re.findall(r"[A-Za-z_$][\w$\-]{2,}", query.title)
    }
