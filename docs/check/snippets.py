# SPDX-License-Identifier: MIT
"""Finds the snippets of the documentation: fenced blocks, \\code blocks of headers, literal blocks of docstrings."""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("c", "cmake", "cpp", "python", "sh")


@dataclass(frozen=True)
class Snippet:
    document: str
    """Relative to the root."""
    language: str
    number: int
    """Of this language in the document, from 1."""
    text: str
    file: str | None = None
    """The name under which the reader saves it, from the comment <!-- file: NAME --> above it."""
    added: bool = False
    """The reader adds it to that file, as <!-- adds to: NAME --> says."""
    continues: str | None = None
    """The document whose files are there already, from the comment <!-- continues: DOCUMENT --> above it."""

    @property
    def name(self) -> str:
        return f"{self.document} {self.language} {self.number}"


def documents(root: Path = ROOT) -> list[Path]:
    """What may contain snippets."""
    found = [root / "README.md", *root.glob("python/*.md"), *root.glob("docs/*.md"), *root.glob("examples/**/*.md")]
    found += [*root.glob("include/**/*.h"), *root.glob("include/**/*.hpp")]
    found += [*root.glob("python/src/**/*.py"), *root.glob("examples/**/*.ipynb")]
    return sorted(found)


def snippets(root: Path = ROOT) -> list[Snippet]:
    """All snippets, in the order of documents() and of the text."""
    return [snippet for path in documents(root) for snippet in snippets_of(path, root)]


def snippets_of(path: Path, root: Path = ROOT) -> list[Snippet]:
    """The snippets of one document. Raises ValueError for code that is not marked as code of a known language."""
    document, text = str(path.relative_to(root)), path.read_text(encoding="utf-8")
    try:
        if path.suffix == ".md":
            blocks = list(_fenced(text))
        elif path.suffix == ".py":
            blocks = list(_docstrings(text))
        elif path.suffix == ".ipynb":
            blocks = list(_notebook(text))
        else:
            blocks = list(_header(text, "c" if path.suffix == ".h" else "cpp"))
    except ValueError as error:
        raise ValueError(f"{document}: {error}") from None
    found: list[Snippet] = []
    for language, block, markers in blocks:
        number = 1 + sum(snippet.language == language for snippet in found)
        file = markers.get("file", markers.get("adds to"))
        added, continues = "adds to" in markers, markers.get("continues")
        found.append(Snippet(document, language, number, block, file, added, continues))
    return found


Block = tuple[str, str, dict[str, str]]


def _fenced(text: str) -> Iterator[Block]:
    """Of Markdown.

    Indented code outside of lists counts as shell commands. A block of text is a picture: lines, arrows.
    """
    markers: dict[str, str] = {}
    lines = [*enumerate(text.splitlines(), 1)]
    blank, in_list = True, False
    while lines:
        number, line = lines.pop(0)
        marker = re.fullmatch(r"<!-- (file|adds to|continues): (\S+) -->", line)
        fence = re.fullmatch(r"( *)(`{3,}|~{3,})\s*(.*?)\s*", line)
        if fence:
            indent, ticks, language = fence.groups()
            if language not in (*LANGUAGES, "text"):
                raise ValueError(f"line {number}: a block of {language or 'no language'}; use one of {LANGUAGES}")
            block: list[str] = []
            while lines and lines[0][1].strip() != ticks:
                block.append(lines.pop(0)[1].removeprefix(indent))
            if not lines:
                raise ValueError(f"line {number}: the block has no end")
            lines.pop(0)
            if language != "text":
                yield language, "".join(f"{each}\n" for each in block), markers
            elif not re.search(r"[\u2500-\u257f\u25b2-\u25c4]", "".join(block)):
                raise ValueError(f"line {number}: a block of text that is no picture; use one of {LANGUAGES}")
        elif re.match(r"( {4}|\t)\s*\S", line) and blank and not in_list:
            block = [line[4:]]
            while lines and re.match(r"( {4}|\t)|$", lines[0][1]):
                block.append(lines.pop(0)[1][4:])
            yield "sh", "".join(f"{each}\n" for each in block).rstrip("\n") + "\n", {}
        elif re.match(r"\s*([-*+]|\d+\.) ", line):
            in_list = True
        elif line and not line.startswith(" "):
            in_list = False
        if marker:
            markers = {**markers, marker[1]: marker[2]}
        elif line.strip():
            markers = {}
        blank = not line.strip()


def _header(text: str, language: str) -> Iterator[Block]:
    """\\code ... \\endcode in the comments of a header. A comment's line that looks like code must be inside of it."""
    for comment in re.finditer(r"/\*.*?\*/|(?:^[ \t]*//[^\n]*\n)+", text, re.DOTALL | re.MULTILINE):
        line = text.count("\n", 0, comment.start())
        block: list[str] | None = None
        for raw in comment[0].splitlines():
            line += 1
            inner = re.sub(r"^\s*(/\*+|\*/|\*|///?)?", "", raw).removesuffix("*/")
            if re.search(r"[\\@]code\b", inner):
                block = []
            elif re.search(r"[\\@]endcode\b", inner):
                if block is None:
                    raise ValueError(f"line {line}: \\endcode without \\code")
                yield language, textwrap.dedent("".join(f"{each}\n" for each in block)), {}
                block = None
            elif block is not None:
                block.append(inner.rstrip())
            elif re.match(r"\s{2,}(#\s*(include|define|if)\b|.*(\w\(.*\)| = ).*[;{]\s*(//.*)?$)", inner):
                raise ValueError(f"line {line}: code outside of \\code: {inner.strip()}")
        if block is not None:
            raise ValueError(f"line {line}: \\code without \\endcode")


def _docstrings(text: str) -> Iterator[Block]:
    """Literal blocks of docstrings, after "::". Other indented paragraphs of code, and >>>, are rejected."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        docstring = ast.get_docstring(node, clean=False)
        if docstring is None:
            continue
        docstring = re.sub(rf"\n {{{node.body[0].col_offset}}}", "\n", docstring).rstrip()
        where = getattr(node, "name", "the module")
        if ">>>" in docstring:
            raise ValueError(f'{where}: use a literal block ("::"), not >>>')
        for paragraph in re.split(r"\n{2,}(?! )", re.sub(r"[ \t]+\n", "\n", docstring)):
            introduction, *literal = re.split(r"\n\n(?= )", paragraph)
            if not literal:
                continue
            text = textwrap.dedent("\n\n".join(literal)) + "\n"
            if introduction.endswith("::"):
                yield "python", text, {}
            elif _is_python(text):
                raise ValueError(f'{where}: code that no "::" introduces: {text.strip()[:60]}')


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def _notebook(text: str) -> Iterator[Block]:
    """The code cells, as one snippet: a kernel keeps what the cells before have made."""
    cells = json.loads(text)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    for cell in cells:
        if cell["cell_type"] == "markdown" and "```" in "".join(cell["source"]):
            raise ValueError("a fenced block in a notebook; make it a cell")
    yield "python", "\n\n".join(code) + "\n", {}
