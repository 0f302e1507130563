"""Identifier-aware tokens as 32-bit hashes.

`selectRelated` gives the stems `select`, `relat` and the whole compound `=selectrelated`; the compound's rarity
makes an exact identifier outweigh its parts. A hash (CRC-32) in place of a vocabulary lets every blob be analysed
alone; about one pair of terms in a 100,000-term repository collides, which only adds noise.
"""

from __future__ import annotations

import re
import threading
import zlib

import Stemmer

IDENTIFIER = re.compile(r"[A-Za-z_$][\w$]*")
_PARTS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")

_STOP_WORDS = """
    a about above after again all also am an and any are as at be because been before being below between both
    but by can cannot could did do does doing don down during each few for from further get gets got had has
    have having he her here hers him his how i if in into is isn it its itself just let like ll me more most my
    myself no nor not now of off on once only or other our ours out over own re same she should so some such
    than that the their them then there these they this those through to too under until up us use used uses
    using ve very was we were what when where which while who whom why will with would you your yours

    def class return import self cls none true false null undefined elif else try except finally raise lambda pass yield
    async await global nonlocal assert del print function var const new typeof instanceof export default extends
    implements interface public private protected static final void throws throw catch switch case break continue
    package int long string str bool boolean char float double struct enum impl fn pub mut func type end begin module
    require include elsif unless namespace virtual override readonly

    issue bug problem expected actual behavior behaviour version reproduce steps please thanks hi hello code example
    report description
"""
STOP = frozenset(_STOP_WORDS.split())

_stemmer = Stemmer.Stemmer("porter")
_lock = threading.Lock()  # the stemmer keeps state of its own
_memo: dict[str, tuple[int, ...]] = {}
_MEMO_LIMIT = 150_000


def term_hash(term: str) -> int:
    """The 32-bit id of a finished term (a stem, or `=compound`)."""
    return zlib.crc32(term.encode("utf-8", "surrogatepass"))


def compound_hash(identifier: str) -> int:
    """The id under which a whole identifier is stored, case and underscores ignored."""
    return term_hash("=" + identifier.replace("_", "").replace("$", "").lower())


def split_identifier(identifier: str) -> list[str]:
    """`HTTPServer_v2` -> ["http", "server", "v", "2"], lower-case, unstemmed."""
    return [part.lower() for part in _PARTS.findall(identifier)]


def stems(identifier: str) -> list[str]:
    """Stemmed parts worth indexing, in order; stop words, keywords and single letters are left out."""
    parts = [p for p in split_identifier(identifier) if len(p) > 1 and p not in STOP]
    with _lock:
        return [str(s) for s in _stemmer.stemWords(parts)]


def terms_of(identifier: str) -> tuple[int, ...]:
    """Term ids of one raw identifier: its stems, and the compound when it has several parts."""
    known = _memo.get(identifier)
    if known is not None:
        return known
    if len(identifier) > 80:  # base64, mangled names
        return ()
    parts = split_identifier(identifier)
    found = [term_hash(s) for s in stems(identifier)]
    if len(parts) > 1:
        found.append(compound_hash(identifier))
    if len(_memo) > _MEMO_LIMIT:
        _memo.clear()
    _memo[identifier] = result = tuple(found)
    return result


def count_terms(text: str, into: dict[int, int]) -> None:
    """Adds the term counts of `text` to `into`."""
    counts: dict[str, int] = {}
    for identifier in IDENTIFIER.findall(text):
        counts[identifier] = counts.get(identifier, 0) + 1
    for identifier, count in counts.items():
        for term in terms_of(identifier):
            into[term] = into.get(term, 0) + count


def shingles(text: str, size: int = 3) -> list[int]:
    """Ids of the `size`-word runs of a message: equal runs in code and report mean the same literal."""
    words = [w.lower() for w in re.findall(r"[A-Za-z][A-Za-z']+", text)]
    return [term_hash("~" + " ".join(words[i : i + size])) for i in range(len(words) - size + 1)]
