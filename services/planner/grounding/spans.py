"""Exact spans of shown symbols by tree-sitter; the regular expressions of ranking know only where one begins."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import tree_sitter
import tree_sitter_c
import tree_sitter_c_sharp
import tree_sitter_cpp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_php
import tree_sitter_python
import tree_sitter_ruby
import tree_sitter_rust
import tree_sitter_typescript

from services.planner.localise.index import RepositoryIndex
from services.planner.localise.results import Candidate, Symbol

_MAX_PARSED_BYTES = 600_000
_LOADERS = {
    "py": tree_sitter_python.language, "pyi": tree_sitter_python.language, "pyx": tree_sitter_python.language,
    "js": tree_sitter_javascript.language, "jsx": tree_sitter_javascript.language,
    "mjs": tree_sitter_javascript.language, "cjs": tree_sitter_javascript.language,
    "ts": tree_sitter_typescript.language_typescript, "mts": tree_sitter_typescript.language_typescript,
    "cts": tree_sitter_typescript.language_typescript, "tsx": tree_sitter_typescript.language_tsx,
    "go": tree_sitter_go.language, "java": tree_sitter_java.language, "rs": tree_sitter_rust.language,
    "rb": tree_sitter_ruby.language, "rake": tree_sitter_ruby.language, "c": tree_sitter_c.language,
    "h": tree_sitter_cpp.language, "cc": tree_sitter_cpp.language, "cpp": tree_sitter_cpp.language,
    "cxx": tree_sitter_cpp.language, "hpp": tree_sitter_cpp.language, "hh": tree_sitter_cpp.language,
    "hxx": tree_sitter_cpp.language, "cs": tree_sitter_c_sharp.language, "php": tree_sitter_php.language_php,
}  # fmt: skip
_DEFINITIONS = frozenset(
    {"function_definition", "class_definition", "function_declaration", "generator_function_declaration"}
    | {"class_declaration", "abstract_class_declaration", "interface_declaration", "type_alias_declaration"}
    | {"enum_declaration", "method_definition", "public_field_definition", "lexical_declaration", "pair"}
    | {"variable_declaration", "internal_module", "record_declaration", "method_declaration", "field_declaration"}
    | {"constructor_declaration", "annotation_type_declaration", "type_declaration", "var_declaration"}
    | {"const_declaration", "function_item", "struct_item", "enum_item", "trait_item", "mod_item", "type_item"}
    | {"union_item", "macro_definition", "static_item", "const_item", "function_signature_item", "method"}
    | {"singleton_method", "class", "module", "struct_specifier", "class_specifier", "enum_specifier"}
    | {"union_specifier", "namespace_definition", "preproc_def", "preproc_function_def", "type_definition"}
    | {"struct_declaration", "property_declaration", "namespace_declaration", "delegate_declaration"}
    | {"trait_declaration", "expression_statement", "assignment", "template_declaration"}
)


@lru_cache(maxsize=32)
def _language(extension: str) -> tree_sitter.Language | None:
    loader = _LOADERS.get(extension)
    return tree_sitter.Language(loader()) if loader else None


def exact_symbols(path: str, text: str, symbols: list[Symbol]) -> list[Symbol]:
    """The symbols with the span of the syntax node that defines them; those not found keep their first guess."""
    language = _language(path.rpartition(".")[2].lower())
    source = text.encode("utf-8", "replace")
    if language is None or len(source) > _MAX_PARSED_BYTES or not symbols:
        return symbols
    root = tree_sitter.Parser(language).parse(source).root_node
    lines = source.split(b"\n")
    return [_exact(root, lines, symbol) for symbol in symbols]


def _exact(root: tree_sitter.Node, lines: list[bytes], symbol: Symbol) -> Symbol:
    row = symbol.start_line - 1
    if not 0 <= row < len(lines):
        return symbol
    column = lines[row].find(symbol.name.encode("utf-8", "replace"))
    if column < 0:
        return symbol
    node: tree_sitter.Node | None = root.descendant_for_point_range((row, column), (row, column))
    while node is not None and node.type not in _DEFINITIONS:
        node = node.parent
    if node is None or node.parent is None or node.start_point[0] > row:
        return symbol
    return msgspec.structs.replace(symbol, start_line=node.start_point[0] + 1, end_line=_last_line(node))


def _last_line(node: tree_sitter.Node) -> int:
    row, column = node.end_point[0], node.end_point[1]
    return row + 1 if column else max(row, node.start_point[0] + 1)


def with_exact_symbols(index: RepositoryIndex, candidates: list[Candidate]) -> list[Candidate]:
    """Candidates with exact spans, symbols in line order and without repeats."""
    texts = index.read_many([c.path for c in candidates if c.symbols], _MAX_PARSED_BYTES)
    result: list[Candidate] = []
    for candidate in candidates:
        symbols = candidate.symbols
        if candidate.path in texts:
            symbols = exact_symbols(candidate.path, texts[candidate.path], symbols)
        unique = {(s.name, s.start_line): s for s in symbols}
        result.append(msgspec.structs.replace(candidate, symbols=list(unique.values())))
    return result
